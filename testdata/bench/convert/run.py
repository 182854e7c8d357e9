"""Measure the conversion of the synthetic set against its peers, in one run.

    run.py --agent bin/trainer-agent --python .venv/bin/python --dir .bench/convert
           [--memory /dev/shm] [--images N] [--rounds N]

Prints sections of Markdown: wall time, processor time and peak memory of each,
and the ratios, on the disk and on the memory file system. The peers write labels
only; the agent also links every image, reads every image's header, and checks
every object. One more row has the guide's converter link the images too.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TASKS = (("boxes", "object_detection", []), ("polygons", "instance_segmentation", ["--polygons"]))


def measure(command):
    """Run a command; return wall seconds, processor seconds, peak resident MB and its output."""
    os.sync()  # so that none waits for what the one before it wrote
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed with {status}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output


def one_round(args, data, root, labels, task, flag, k):
    """Run every tool once. Each writes to a name that was not used before."""
    def fresh(name):
        return f"{root}/{name}-{labels}-{k}-{os.getpid()}"

    out = fresh("out")
    peer = [args.python, f"{HERE}/port.py", data]
    ours = measure([args.agent, "convert", "--from", data, "--task", task, "--out", out])
    _, _, rss, seconds = measure([args.python, f"{HERE}/floor.py", out, fresh("floor")])
    return {
        "trainer-agent": ours,
        "creating the files": (float(seconds), float("nan"), rss, ""),
        "the guide's converter": measure([*peer, fresh("port"), *flag]),
        "the guide's converter, and links": measure([*peer, fresh("linked"), *flag, "--links"]),
        "Ultralytics convert_coco": measure([args.python, f"{HERE}/coco_peer.py", f"{data}/coco", fresh("peer"), *flag]),
    }


def clear(root):
    """Remove what the tools wrote; the set stays."""
    for name in os.listdir(root):
        if not name.startswith("set"):
            shutil.rmtree(f"{root}/{name}", ignore_errors=True)


def section(args, data, root, where, after_round):
    print(f"\n### Converting {args.images} images to YOLO, {where}, {os.cpu_count()} cores, {'one round' if args.rounds == 1 else f'median of {args.rounds} rounds'}\n")
    print("| labels | tool | wall s | processor s | peak MB | wall, times the agent's | memory, times the agent's |")
    print("|---|---|---|---|---|---|---|")
    for labels, task, flag in TASKS:
        rounds = []
        for k in range(args.rounds):
            rounds.append(one_round(args, data, root, labels, task, flag, k))
            after_round(root)
        middle = {tool: sorted((r[tool] for r in rounds), key=lambda r: r[0])[len(rounds) // 2] for tool in rounds[0]}
        ours = middle["trainer-agent"]
        for tool, (wall, cpu, rss, _) in middle.items():
            print(f"| {labels} | {tool} | {wall:.1f} | {'—' if math.isnan(cpu) else f'{cpu:.1f}'} | {rss:.0f} | {wall / ours[0]:.2f} | {rss / ours[2]:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--agent", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--memory", help="a folder on a memory file system, to measure there too")
    parser.add_argument("--images", type=int, default=118287)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    root = os.path.abspath(args.dir)
    data = f"{root}/set-{args.images}"
    if not os.path.exists(f"{data}/coco/instances_train.json"):
        shutil.rmtree(data, ignore_errors=True)
        subprocess.run([args.python, f"{HERE}/generate.py", data, "--images", str(args.images)], check=True)
    # Nothing is removed before the end: ext4 searches long for an inode while
    # many were deleted within the last minutes.
    section(args, data, root, "disk", lambda root: None)
    clear(root)
    if args.memory:
        root = f"{args.memory}/convert-{os.getpid()}"
        try:
            os.makedirs(root)
            subprocess.run(["cp", "-a", data, f"{root}/set"], check=True)
            section(args, f"{root}/set", root, "memory file system", clear)
        finally:
            shutil.rmtree(root, ignore_errors=True)


main()
