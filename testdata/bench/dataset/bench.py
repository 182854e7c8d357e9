"""Datasets in, against boto3 + zipfile and s5cmd + unzip, and how cost grows.

    python testdata/bench/dataset/bench.py [--work /dev/shm] [--disk .bench] [--rounds 3] [--scale 1] [--growth]

Sets of about 1 GB at scale 1: k50 = 20,000 files of 50 KB, k5 = 100,000 of 5 KB.
Under each table stand the floor (cp -r of the same tree) and, with --growth,
the same set at 10k, 100k and 500k files.
"""
import argparse
import multiprocessing
import pathlib
import random
import shutil
import subprocess
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import bench

BOTO3 = """
import os, sys, zipfile, boto3
endpoint, key, folder = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
s3.download_file("vision-platform", key, folder + "/dataset.zip")
with zipfile.ZipFile(folder + "/dataset.zip") as z:
    z.extractall(folder + "/dataset")
os.remove(folder + "/dataset.zip")
"""


def make(*args):
    """Writes an archive in a process of its own: the kernel counts the memory of
    this one into the peak of every process that it starts."""
    writer = multiprocessing.Process(target=write, args=args)
    writer.start()
    writer.join()
    if writer.exitcode != 0:
        raise SystemExit("writing the archive failed")


def write(path, files, size, deflated):
    """Writes an archive of incompressible (stored) or text-like (deflated) files."""
    rng = random.Random(42)
    block = rng.randbytes(size + 4096)
    if deflated:  # six bits of entropy a byte: deflate saves a quarter and works for it
        block = block.translate(bytes(33 + b % 64 for b in range(256)))
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as z:
        z.writestr("annotations.json", '{"images": []}')
        for i in range(files):
            start = i % 4096
            z.writestr(f"images/{i // 1000:04d}/{i:07d}.jpg", b"%07d" % i + block[start:start + size - 7])


def compare(tools, endpoint, key, folder, rounds, floor=True):
    drive, python, s5cmd = tools
    runs = {"ours": [], "boto3 + zipfile": [], "s5cmd + unzip": [], "cp -r (floor)": []}
    for _ in range(rounds):
        dataset = key.removeprefix("datasets/").removesuffix(".zip")
        target = bench.empty(folder / "ours")
        runs["ours"].append(bench.measure([[drive, "fetch", "-endpoint", endpoint, "-dataset", dataset, "-dir", target]]))
        if floor:
            tree = next(target.glob("*/data"))
            runs["cp -r (floor)"].append(bench.measure([["cp", "-r", tree, bench.empty(folder / "copy") / "tree"]]))
            shutil.rmtree(folder / "copy")
        shutil.rmtree(target)
        target = bench.empty(folder / "boto3")
        runs["boto3 + zipfile"].append(bench.measure([[python, "-c", BOTO3, endpoint, key, target]]))
        shutil.rmtree(target)
        target = bench.empty(folder / "s5cmd")
        runs["s5cmd + unzip"].append(bench.measure([
            [s5cmd, "--endpoint-url", endpoint, "cp", f"s3://vision-platform/{key}", target / "dataset.zip"],
            ["unzip", "-q", target / "dataset.zip", "-d", target / "dataset"],
            ["rm", target / "dataset.zip"],
        ]))
        shutil.rmtree(target)
    ours = bench.median(runs.pop("ours"))
    return ours, [(name, bench.median(r)) for name, r in runs.items() if r]


def upload(drive, endpoint, path, key):
    subprocess.run([drive, "put", "-endpoint", endpoint, "-file", path, "-key", key], env=bench.ENV, check=True,
                   stdout=subprocess.DEVNULL)


def growth(drive, endpoint, work, rounds):
    print("\n### How cost grows with the number of files (5 KB each, stored, tmpfs)\n")
    print("| files | wall s | CPU s | peak MB | µs wall a file |\n|---|---|---|---|---|")
    for files in (10_000, 100_000, 500_000):
        path = work / "grow.zip"
        make(path, files, 5_000, False)
        upload(drive, endpoint, path, "datasets/grow.zip")
        path.unlink()
        runs = []
        for _ in range(rounds):
            target = bench.empty(work / "grow")
            runs.append(bench.measure([[drive, "fetch", "-endpoint", endpoint, "-dataset", "grow", "-dir", target]]))
            shutil.rmtree(target)
        r = bench.median(runs)
        print(f"| {files:,} | {r.wall:.2f} | {r.cpu:.2f} | {r.peak:.0f} | {r.wall / files * 1e6:.1f} |", flush=True)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/dev/shm"))
    args.add_argument("--disk", type=pathlib.Path, help="a folder on a real disk, to compare there too")
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--scale", type=float, default=1)
    args.add_argument("--only", default="", help="one set: 'k50 stored', 'k50 deflated' or 'k5 stored'")
    args.add_argument("--growth", action="store_true")
    args = args.parse_args()
    tools = bench.build()
    work = bench.empty(args.work / "trainer-bench")
    print("## Datasets in")
    try:
        with bench.store(tools[0], work / "store") as endpoint:
            for name, files, size, deflated in (("k50 stored", 20_000, 50_000, False), ("k50 deflated", 20_000, 50_000, True),
                                                ("k5 stored", 100_000, 5_000, False)):
                if args.only and args.only != name:
                    continue
                make(work / "set.zip", int(files * args.scale), size, deflated)
                upload(tools[0], endpoint, work / "set.zip", "datasets/set.zip")
                (work / "set.zip").unlink()
                bench.table(f"{name}, memory file system", *compare(tools, endpoint, "datasets/set.zip", work, args.rounds))
                if args.disk:
                    folder = bench.empty(args.disk / "trainer-bench")
                    bench.table(f"{name}, disk", *compare(tools, endpoint, "datasets/set.zip", folder, args.rounds))
                    shutil.rmtree(folder)
            if args.growth:
                growth(tools[0], endpoint, work, args.rounds)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
