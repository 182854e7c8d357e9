"""A checkpoint through the watcher, hashed, verified and listed in its manifest, against a bare upload by boto3 and s5cmd.

    python testdata/bench/checkpoint/bench.py [--work /dev/shm] [--rounds 3] [--mib 1024]
"""
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import bench


def main():
    args = bench.of_a_checkpoint()
    drive, python, s5cmd = bench.build()
    watcher = bench.TOOLS / "checkpoint"
    subprocess.run(["go", "build", "-o", watcher, "./testdata/bench/checkpoint"], cwd=bench.ROOT, check=True)
    work = bench.empty(args.work / "trainer-bench-checkpoint")
    runs = {"ours": [], "boto3 upload_file": [], "s5cmd cp": []}
    waits = {}
    try:
        with bench.store(drive, work / "store") as endpoint:
            for n in range(args.rounds):
                out = bench.empty(work / "runs")
                lines = subprocess.run([watcher, "watch", "-endpoint", endpoint, "-dir", out, "-job", f"w{n}", "-mib", f"1,100,{args.mib}"],
                                       env=bench.ENV, check=True, capture_output=True, text=True).stdout.splitlines()
                for mib, seconds in (line.split() for line in lines):
                    waits.setdefault(int(mib), []).append(float(seconds))
                path = out / "model3.pt"
                for small in ("model1.pt", "model2.pt"):
                    (out / small).unlink()
                runs["ours"].append(bench.measure([[watcher, "finish", "-endpoint", endpoint, "-dir", out, "-job", f"f{n}"]]))
                runs["boto3 upload_file"].append(bench.measure([[python, "-c", bench.UPLOAD, endpoint, path]]))
                runs["s5cmd cp"].append(bench.measure([[s5cmd, "--endpoint-url", endpoint, "cp", path, "s3://vision-platform/checkpoints/s5cmd.pt"]]))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("## Checkpoint through the watcher")
    bench.table(f"{args.mib} MiB, memory file system; ours with SHA-256 and manifest", bench.median(runs.pop("ours")), [(n, bench.median(r)) for n, r in runs.items()])
    print("\n### From the close of the file to the visible object\n\n| MiB | median s |\n|---|---|")
    for mib, seconds in waits.items():
        print(f"| {mib} | {sorted(seconds)[len(seconds) // 2]:.2f} |")


if __name__ == "__main__":
    main()
