#!/usr/bin/env python3
"""Runs the demo as a Job on the cluster of kubectl's current context, and says what it did.

make demo-k8s builds the images and calls this. The sandbox (store, backend, page) stays in the cluster.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "acceptance"))

import cluster
from cluster import NAMESPACE, kubectl

ROOT = cluster.K8S.parent.parent
JOB = "trainer-demo"


def say(topic: str, text: str) -> None:
    print(f"== {topic:8} {text}", flush=True)


def put_dataset(python: str, sandbox: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "shapes-object-detection.zip"
        subprocess.run([
            python, str(ROOT / "testdata" / "make_shapes.py"), "--task", "object_detection", "--out", f"{folder}/shapes", "--images", "240",
            "--size", "160", "--dataset-id", "shapes-object-detection", "--zip", str(archive),
        ], check=True)
        cluster.put(sandbox, archive)


def start() -> str:
    """A job of its own each time: of one that has run before the agent would go on."""
    job = f"demo-{int(time.time())}"
    kubectl("-n", NAMESPACE, "delete", "job", JOB, "--ignore-not-found", "--wait=true")
    kubectl("apply", "-f", "-", stdin=kubectl("kustomize", str(cluster.K8S / "demo")).replace("JOB_ID: demo\n", f"JOB_ID: {job}\n"))
    return job


def follow(backend: cluster.Backend, job: str, seconds: float) -> str:
    last, end = "", time.monotonic() + seconds
    while not (how := cluster.ended(JOB)):
        summary = backend.job(job)["job"]
        line = f"epoch {summary['epoch']}, {summary.get('last_event', '')}" if summary else waiting()
        if line != last:
            say("job", line)
            last = line
        if time.monotonic() > end:
            return f"still running after {seconds:.0f} s"
        time.sleep(2)
    return how


def waiting() -> str:
    """Why no callback has come yet."""
    for pod in cluster.pods_of(JOB):
        for c in pod.get("status", {}).get("containerStatuses", []):
            if reason := c["state"].get("waiting", {}).get("reason"):
                return f"the pod waits: {reason}"
        for c in pod.get("status", {}).get("conditions", []):
            if c["type"] == "PodScheduled" and c["status"] == "False":
                return f"the pod waits: {c.get('message', c.get('reason', ''))}"
    return "the pod starts"


def report(backend: cluster.Backend, job: str, how: str) -> list[str]:
    """Prints what happened and gives what did not."""
    done, stored = backend.done(job), backend.objects(f"checkpoints/job-{job}/")
    heartbeats, validations = backend.calls(job, "heartbeat"), backend.calls(job, "validation")
    say("result", f"Job {JOB}: {how}")
    say("result", f"done: {done.get('status', 'none')} {done.get('error_message') or ''}".rstrip())
    say("result", f"{len(heartbeats)} heartbeats, {len(validations)} validations; metrics {done.get('final_metrics')}")
    say("result", "bucket: " + ", ".join(key.rsplit("/", 1)[-1] for key in stored))
    for pod in cluster.pods_of(JOB):
        for end in cluster.terminated(pod):
            say("result", f"pod {pod['metadata']['name']}: exit {end['exitCode']} ({end.get('reason', '')})")
    wanted = {
        "the Job is complete": how == "Complete", "done says succeeded": done.get("status") == "succeeded",
        "a validation for every epoch": len(validations) >= 8, "best and last are stored": any("best" in k for k in stored) and any("last" in k for k in stored),
    }
    return [what for what, is_so in wanted.items() if not is_so]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="only look whether there is a cluster")
    arguments.add_argument("--python", default=sys.executable, help="Python with numpy and Pillow, to draw the dataset")
    arguments.add_argument("--sandbox", default=str(ROOT / "bin" / "trainer-sandbox"))
    arguments.add_argument("--timeout", type=float, default=1800, help="seconds for the job")
    given = arguments.parse_args()
    try:
        name = cluster.context()
        say("cluster", f"context {name}")
        if given.check:
            return 0
        cluster.load(name, ["trainer-sandbox:latest", "trainer-ultralytics:cpu"])
        cluster.bring_up()
        say("platform", f"store, backend and page run in the namespace {NAMESPACE}")
        put_dataset(given.python, given.sandbox)
        job = start()
        say("job", f"{job} as Job {JOB}")
        with cluster.forward("backend", 8000) as url:
            backend = cluster.Backend(url)
            missing = report(backend, job, follow(backend, job, given.timeout))
    except cluster.Unusable as error:
        print(f"demo-k8s: {error}", file=sys.stderr)
        return 1
    for what in missing:
        print("MISSING:", what)
    if missing:
        print(f"Look:      kubectl -n {NAMESPACE} logs job/{JOB}; kubectl -n {NAMESPACE} describe pods -l batch.kubernetes.io/job-name={JOB}")
    print(f"The page:  kubectl -n {NAMESPACE} port-forward service/backend 8000, then http://localhost:8000/?job={job}")
    print(f"Clean up:  kubectl delete namespace {NAMESPACE}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
