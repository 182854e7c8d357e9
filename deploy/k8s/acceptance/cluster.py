"""The cluster of kubectl's current context with deploy/k8s/sandbox in it. Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

K8S = Path(__file__).resolve().parent.parent
NAMESPACE = "platform"


class Unusable(Exception):
    """There is no cluster to work with; the message says what to do."""


def kubectl(*args: str, stdin: str | None = None, check: bool = True, timeout: float = 120) -> str:
    try:
        done = subprocess.run(["kubectl", *args], input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise Unusable("kubectl is not installed: https://kubernetes.io/docs/tasks/tools/") from None
    except subprocess.TimeoutExpired:
        raise Unusable(f"kubectl {' '.join(args[:3])} gave no answer within {timeout:.0f} s: is the cluster of the current context up?") from None
    if check and done.returncode:
        raise RuntimeError(f"kubectl {' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def context() -> str:
    """The current context, once its cluster has answered."""
    name = kubectl("config", "current-context", check=False).strip()
    if not name:
        raise Unusable("kubectl has no current context: make a cluster first, for example with `kind create cluster`, `k3d cluster create` or `minikube start`.")
    if not kubectl("get", "--raw", "/version", "--request-timeout=10s", check=False, timeout=20):
        raise Unusable(f"the cluster of the context {name!r} does not answer: start it, or choose another with `kubectl config use-context NAME`.")
    return name


def load_command(name: str, image: str) -> list[str]:
    """What brings an image of this machine's into the cluster of a context, none where nothing is known to."""
    kind, k3d = name.removeprefix("kind-"), name.removeprefix("k3d-")
    if kind != name:
        return ["kind", "load", "docker-image", "--name", kind, image]
    if k3d != name:
        return ["k3d", "image", "import", "--cluster", k3d, image]
    if name == "minikube":
        return ["minikube", "image", "load", image]
    return []


def load(name: str, images: list[str]) -> None:
    for image in images:
        command = load_command(name, image)
        if not command:
            print(f"   {name}: nothing loads images into it, so {image} must be there already (Docker Desktop shares them; elsewhere push it and change the overlay's images)")
            continue
        try:
            subprocess.run(command, check=True)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            raise Unusable(f"{' '.join(command)}: {error}") from None


def bring_up() -> None:
    kubectl("apply", "-k", str(K8S / "sandbox"))
    kubectl("-n", NAMESPACE, "rollout", "status", "deployment/platform", "--timeout=180s", timeout=200)


def cgroup_v1_nodes() -> list[str]:
    """The nodes whose kubelet says that they have cgroup v1; one that does not say is taken to have v2."""
    names = kubectl("get", "nodes", "-o", "name", check=False).split()
    metrics = {n: kubectl("get", "--raw", f"/api/v1/nodes/{n.removeprefix('node/')}/proxy/metrics", check=False) for n in names}
    return [n.removeprefix("node/") for n, text in metrics.items() if "\nkubelet_cgroup_version 1\n" in text]


@contextlib.contextmanager
def forward(service: str, port: int) -> Iterator[str]:
    """A port of the sandbox's on loopback; gives its URL."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        local = s.getsockname()[1]
    tunnel = subprocess.Popen(["kubectl", "-n", NAMESPACE, "port-forward", f"service/{service}", f"{local}:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        until(f"the tunnel to {service}", 30, lambda: opens(local) or tunnel.poll() is not None)
        if tunnel.poll() is not None:
            raise RuntimeError(f"kubectl port-forward {service}: {tunnel.stderr.read().strip() if tunnel.stderr else ''}")
        yield f"http://127.0.0.1:{local}"
    finally:
        tunnel.terminate()
        tunnel.wait()


def opens(port: int) -> bool:
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


def until(what: str, seconds: float, holds: Callable[[], Any]) -> Any:
    """Waits for what nothing announces."""
    end = time.monotonic() + seconds
    while not (got := holds()):
        if time.monotonic() > end:
            raise AssertionError(f"never happened within {seconds:.0f} s: {what}")
        time.sleep(0.5)
    return got


KEYS = {"AWS_ACCESS_KEY_ID": "laptop", "AWS_SECRET_ACCESS_KEY": "laptop-secret", "AWS_REGION": "us-east-1"}  # of the sandbox's Secret


def put(sandbox: str, archive: Path) -> None:
    """Uploads a dataset to the sandbox's store."""
    try:
        with forward("minio", 9000) as store:
            subprocess.run([sandbox, "put", str(archive), "--endpoint", store], check=True, env={**os.environ, **KEYS})
    except FileNotFoundError:
        raise Unusable(f"{sandbox} is not there: run make build") from None


class Backend:
    """The sandbox's record of what a job said and stored."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def job(self, job: str) -> dict[str, Any]:
        try:
            return self.ask(f"/_sandbox/jobs/{job}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return {"job": {}, "calls": []}
            raise

    def calls(self, job: str, kind: str = "") -> list[dict[str, Any]]:
        return [c for c in self.job(job)["calls"] if c["accepted"] and kind in ("", c["kind"])]

    def events(self, job: str, name: str) -> list[dict[str, Any]]:
        return [c["body"] for c in self.calls(job, "event") if c["body"].get("event_type") == name]

    def done(self, job: str) -> dict[str, Any]:
        """The last final callback: a run that is tried again sends its own."""
        calls = self.calls(job, "done")
        return calls[-1]["body"] if calls else {}

    def objects(self, prefix: str) -> list[str]:
        return [o["key"] for o in self.ask("/_sandbox/objects?prefix=" + urllib.parse.quote(prefix))["objects"]]


def job_of(name: str) -> dict[str, Any]:
    return json.loads(kubectl("-n", NAMESPACE, "get", "job", name, "-o", "json"))


def pods_of(name: str) -> list[dict[str, Any]]:
    """The pods of a Job, oldest first."""
    items = json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-l", f"batch.kubernetes.io/job-name={name}", "-o", "json"))["items"]
    return sorted(items, key=lambda pod: pod["metadata"]["creationTimestamp"])


def ended(name: str) -> str:
    """Complete or Failed with its reason, "" while a Job goes on."""
    for c in job_of(name).get("status", {}).get("conditions", []):
        if c["status"] == "True" and c["type"] in ("Complete", "Failed"):
            return c["type"] if c["type"] == "Complete" else f"Failed: {c.get('reason', '')}"
    return ""


def terminated(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """How the containers of a pod ended, init containers first."""
    status = pod.get("status", {})
    every = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
    return [c["state"]["terminated"] for c in every if "terminated" in c.get("state", {})]
