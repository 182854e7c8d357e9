"""A checkpoint out, against boto3's upload_file and s5cmd cp.

    python testdata/bench/upload/bench.py [--work /dev/shm] [--rounds 3] [--mib 1024]
"""
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import bench


def main():
    args = bench.of_a_checkpoint()
    drive, python, s5cmd = bench.build()
    work = bench.empty(args.work / "trainer-bench-upload")
    path = work / "best.pt"
    with path.open("wb") as out:
        for _ in range(args.mib):
            out.write(os.urandom(1 << 20))
    runs = {"ours": [], "boto3 upload_file": [], "s5cmd cp": []}
    try:
        with bench.store(drive, work / "store") as endpoint:
            for _ in range(args.rounds):
                runs["ours"].append(bench.measure([[drive, "put", "-endpoint", endpoint, "-file", path, "-key", "checkpoints/ours.pt"]]))
                runs["boto3 upload_file"].append(bench.measure([[python, "-c", bench.UPLOAD, endpoint, path]]))
                runs["s5cmd cp"].append(bench.measure([[s5cmd, "--endpoint-url", endpoint, "cp", path, "s3://vision-platform/checkpoints/s5cmd.pt"]]))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("## Checkpoint out")
    bench.table(f"{args.mib} MiB, memory file system", bench.median(runs.pop("ours")), [(n, bench.median(r)) for n, r in runs.items()])


if __name__ == "__main__":
    main()
