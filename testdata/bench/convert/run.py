"""Measure the conversion of the synthetic set against its peers, in one run.

    run.py --agent bin/trainer-agent --python .venv/bin/python --dir .bench/convert [--images N]

Prints a section of Markdown: wall time, processor time and peak memory of each,
and the ratios. The peers write labels only; the agent also links every image,
reads every image's header, and checks every object.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def measure(command):
    """Run a command; return wall seconds, processor seconds, peak resident MB and its output."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed with {status}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output


def fresh(path):
    """A name that was not used before. Nothing is removed until the end: ext4 searches
    long for an inode while many were deleted within the last seconds."""
    return f"{path}-{os.getpid()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--agent", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--images", type=int, default=118287)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    root = os.path.abspath(args.dir)
    data = f"{root}/set-{args.images}"
    if not os.path.exists(f"{data}/coco/instances_train.json"):
        shutil.rmtree(data, ignore_errors=True)
        subprocess.run([args.python, f"{HERE}/generate.py", data, "--images", str(args.images)], check=True)
    print(f"\n### Converting {args.images} images to YOLO, {os.cpu_count()} cores, median of {args.rounds} rounds\n")
    print("| labels | tool | wall s | processor s | peak MB | wall, times the agent's | memory, times the agent's |")
    print("|---|---|---|---|---|---|---|")
    for labels, task, flag in (("boxes", "object_detection", []), ("polygons", "instance_segmentation", ["--polygons"])):
        runs = {"trainer-agent": [], "the guide's converter": [], "Ultralytics convert_coco": [], "creating the files": []}
        for k in range(args.rounds):
            out = fresh(f"{root}/out-{labels}-{k}")
            runs["trainer-agent"].append(measure([args.agent, "convert", "--from", data, "--task", task, "--out", out]))
            wall, cpu, rss, seconds = measure([args.python, f"{HERE}/floor.py", out, fresh(f"{root}/floor-{labels}-{k}")])
            runs["creating the files"].append((float(seconds), float("nan"), rss, ""))
            runs["the guide's converter"].append(
                measure([args.python, f"{HERE}/port.py", data, fresh(f"{root}/port-{labels}-{k}"), *flag]))
            runs["Ultralytics convert_coco"].append(
                measure([args.python, f"{HERE}/coco_peer.py", f"{data}/coco", fresh(f"{root}/peer-{labels}-{k}"), *flag]))
        middle = {tool: sorted(rounds, key=lambda r: r[0])[len(rounds) // 2] for tool, rounds in runs.items()}
        ours = middle["trainer-agent"]
        for tool, (wall, cpu, rss, _) in middle.items():
            print(f"| {labels} | {tool} | {wall:.1f} | {cpu:.1f} | {rss:.0f} | {wall / ours[0]:.2f} | {rss / ours[2]:.2f} |")
    for name in os.listdir(root):
        if not name.startswith("set-"):
            shutil.rmtree(f"{root}/{name}", ignore_errors=True)


main()
