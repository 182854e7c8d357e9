#!/usr/bin/env python3
"""Time a hub from the upload of a package to a job that trains with it.

A hub and the sandbox's platform run on this machine; each package is uploaded, proven, published, installed without a
container, and trained with, as docs/hub.md says. While a package is proven the API is asked ten times a second. Prints
one markdown section. Warm: wheels come from the folder --wheels; cold (--cold): from pip's index, with nothing kept.

    make bench-hub WHEELS=/var/wheels        # or by hand:
    python3 testdata/bench/hub/bench.py --bin bin --wheels /var/wheels --packages plain,torch
"""

import argparse
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

TRAINERS = Path(__file__).resolve().parents[3] / "trainers"
# Of each package: the model that its job trains, for image classification.
MODELS = {"plain": "plain-s", "torch": "torch-s", "timm": "resnet18", "ultralytics": "yolo11n-cls"}
STAGES = ["security", "dependencies", "structure", "config_schema", "capabilities", "training_test", "inference_test"]
EVERY = 0.1  # seconds between two questions to the API
PATIENCE = 3600  # seconds for one package


class Service:
    """A program that prints its addresses and runs until the end."""

    def __init__(self, command, cwd, env, until):
        self.lines = []
        with open(cwd / f"{Path(command[0]).name}.log", "a") as log:
            self.process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=log, text=True)
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if until in line:
                return
        sys.exit(f"{command[0]} ended before it served; see {cwd}")

    def value(self, name):
        return next(line.split(":", 1)[1].strip() for line in self.lines if line.startswith(name + ":"))

    def rss_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class Asking(threading.Thread):
    """Asks the API like the page of somebody who watches, and keeps how long each answer took."""

    def __init__(self, hub, token, paths):
        super().__init__(daemon=True)
        self.hub, self.token, self.paths, self.seconds, self.over = hub, token, paths, [], threading.Event()

    def run(self):
        while not self.over.is_set():
            for path in self.paths:
                began = time.monotonic()
                ask(self.hub, self.token, path)
                self.seconds.append(time.monotonic() - began)
                self.over.wait(EVERY)

    def end(self):
        self.over.set()
        self.join()
        return statistics.quantiles(self.seconds, n=20)[-1] * 1000, len(self.seconds)


def ask(hub, token, path):
    request = urllib.request.Request(hub + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def made(args, kind, work):
    """A package as its author has it: of trainer-agent init, or of make package."""
    name = kind if kind in ("timm", "ultralytics") else f"bench-{kind}"
    folder = work / name
    if kind in ("plain", "torch"):
        subprocess.run([args.bin / "trainer-agent", "init", name, "--template", kind], cwd=work, check=True, stdout=subprocess.DEVNULL)
    else:
        subprocess.run([sys.executable, TRAINERS / "package.py", kind, folder], check=True, stdout=subprocess.DEVNULL)
    return name, folder


def prove(args, hub, token, env, folder, dry):
    """Publishes a package; returns the seconds of its steps, those of everything, and the API's 95th percentile."""
    began = time.monotonic()
    command = [args.bin / "trainer-agent", "publish", folder, *(["--dry-run"] if dry else [])]
    said = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    path = "/api/v1/trainers/validation/" + said.split("/validation/")[1].split()[0]
    asking = Asking(hub, token, [path, "/api/v1/trainers", "/api/v1/trainers/validation", "/api/v1/notifications"])
    asking.start()
    while (at := ask(hub, token, path))["status"] == "validating" and time.monotonic() - began < PATIENCE:
        time.sleep(0.5)
    p95, asked = asking.end()
    steps = {s["name"]: s["seconds"] for s in at["steps"]}
    if at["status"] != "passed":
        print(json.dumps(at["reason"]), [f["text"] for s in at["steps"] for f in s["findings"] if f["severity"] == "error"], file=sys.stderr)
    return at["status"], steps, time.monotonic() - began, p95, asked


def train(args, hub, env, job_env, name, kind, work):
    """Installs a trainer and starts a job with it; returns the seconds of installing, and until training_started."""
    began, folder = time.monotonic(), work / f"{name}-installed"
    out = subprocess.run([args.bin / "trainer-agent", "install", name, "--dir", folder, "--python", args.python], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    installed = time.monotonic() - began
    told = dict(line.split("=", 1) for line in out.splitlines() if re.match(r"[A-Z_]+=", line))
    model = next((m["model_name"] for m in json.loads((folder / "capabilities.json").read_text())["models"] if "image_classification" in m["task_types"]), MODELS[kind])
    job = f"{name}-{os.getpid()}"
    variables = {
        **job_env,
        **told,
        "JOB_ID": job,
        "TASK_TYPE": "image_classification",
        "MODEL_NAME": model,
        "DATASET_ID": "sample",
        "EPOCHS": "1",
        "BATCH_SIZE": "2",
        "DEVICE": "cpu",
        "NUM_WORKERS": "0",
        "PRETRAINED": "false",
        "BACKEND_BASE_URL": hub,
        "WORKSPACE_DIR": str(work / f"{name}-workspace"),
        "PATH": os.environ["PATH"],
        "HOME": str(work),
    }
    with open(work / f"{name}-job.log", "w") as log:
        agent = subprocess.Popen([args.bin / "trainer-agent", "run", "--trainer", ".", "--python", folder / ".venv/bin/python"], cwd=folder, env=variables, stdout=log, stderr=log)
    page, started = job_env["BACKEND_BASE_URL"] + f"/_sandbox/jobs/{job}", None
    while agent.poll() is None and not started:
        with contextlib.suppress(OSError, ValueError):  # the job is not known yet
            if '"training_started"' in urllib.request.urlopen(page, timeout=10).read().decode():
                started = time.monotonic() - began
        time.sleep(0.2)
    agent.wait(PATIENCE)
    return installed, started, agent.returncode


def measure(args, work, cold):
    env = {**os.environ, "TRAINER_HUB_DATA": str(work / "data"), "HOME": os.environ.get("HOME", "/")}
    if cold:
        env["PIP_NO_CACHE_DIR"] = "1"
    platform = Service([args.bin / "trainer-sandbox", "serve", "--json", "--s3-addr", "127.0.0.1:0", "--backend-addr", "127.0.0.1:0", "--data-dir", work / "sandbox"], work, env, "BACKEND")
    job_env = json.loads(platform.lines[-1])
    wheels = [] if cold else ["--wheels", args.wheels]
    serve = Service([args.bin / "trainer-hub", "serve", "--addr", "127.0.0.1:0", "--python", args.python, "--platform", job_env["BACKEND_BASE_URL"], *wheels, "--allow-unscanned", "malware,dependencies"], work, env, "Isolation:")
    hub = serve.value("Hub")
    token = subprocess.run([args.bin / "trainer-hub", "token", "bench-operator", "--operator"], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    env |= {"TRAINER_HUB_URL": hub, "TRAINER_HUB_TOKEN": token}
    time.sleep(3)
    idle, rows = serve.rss_mb(), []
    for kind in args.packages.split(","):
        name, folder = made(args, kind, work)
        if not rows and not cold:
            sample = next(p for p in (work / "bench-plain/sample", TRAINERS / "starter/common/sample") if p.is_dir()) if kind == "plain" else sample_of(args, work)
            subprocess.run([args.bin / "trainer-sandbox", "put", sample, "--id", "sample"], env={**env, **job_env}, check=True, stdout=subprocess.DEVNULL)
        status, steps, total, p95, asked = prove(args, hub, token, env, folder, cold)
        row = {"package": kind, "wheels": "cold" if cold else "warm", "status": status, "steps": steps, "proven": total, "p95": p95, "asked": asked, "load": os.getloadavg()[0]}
        if status == "passed" and not cold:
            row["installed"], row["started"], row["code"] = train(args, hub, env, job_env, name, kind, work)
        print(json.dumps(row), file=sys.stderr, flush=True)
        rows.append(row)
    serve.stop()
    platform.stop()
    return idle, rows


def sample_of(args, work):
    subprocess.run([args.bin / "trainer-agent", "init", "bench-sample"], cwd=work, check=True, stdout=subprocess.DEVNULL)
    return work / "bench-sample/sample"


def table(rows):
    print(f"| package | wheels | {' | '.join(STAGES)} | validation | installed | upload → `training_started` | API p95 | load |")
    print("|---" * (len(STAGES) + 7) + "|")
    for r in rows:
        stages = " | ".join(f"{r['steps'][s]:.1f} s" if s in r["steps"] else "–" for s in STAGES)
        started = f"{r['proven'] + r['started']:.0f} s" if r.get("started") else "–"
        installed = f"{r['installed']:.1f} s" if "installed" in r else "–"
        print(f"| {r['package']} | {r['wheels']} | {stages} | {r['proven']:.0f} s ({r['status']}) | {installed} | {started} | {r['p95']:.0f} ms of {r['asked']} | {r['load']:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=Path("bin"), help="folder of the built programs")
    parser.add_argument("--wheels", type=Path, required=True, help="folder of the wheels that the packages require (pip download)")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--packages", default="plain,torch,timm,ultralytics")
    parser.add_argument("--cold", action="store_true", help="measure with wheels from the index as well; gigabytes for each package with torch")
    args = parser.parse_args()
    args.bin, args.wheels = args.bin.absolute(), args.wheels.absolute()
    rows = []
    for cold in [False, *([True] if args.cold else [])]:
        with tempfile.TemporaryDirectory(prefix="bench-hub-", dir=os.environ.get("BENCH_DIR")) as work:
            idle, some = measure(args, Path(work), cold)
            rows += some
    print("## Hub: from an upload to a training\n")
    table(rows)
    print(f"\nThe hub: {(args.bin / 'trainer-hub').stat().st_size / 1e6:.1f} MB, {idle:.0f} MB resident when idle.")


if __name__ == "__main__":
    main()
