"""The table: what is run, and what must be true of it afterwards."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cluster
from cluster import K8S, NAMESPACE, Backend, kubectl

DATASET = "acceptance"

STORE = [  # as the overlay minio sets it, for those that stand on base alone
    {"name": "STORAGE_TYPE", "value": "minio"},
    {"name": "S3_ENDPOINT", "value": "http://minio.platform.svc.cluster.local:9000"},
    {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "trainer-job", "key": "access-key-id"}}},
    {"name": "AWS_SECRET_ACCESS_KEY_FILE", "value": "/var/run/secrets/trainer/secret-access-key"},
    {"name": "DEVICE", "value": "cpu"},
]


def picture(shade: int) -> bytes:
    """A grey PNG of 32 × 32 pixels."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([shade]) * 32) * 32
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def write_dataset(folder: Path) -> Path:
    """Eight pictures in Platform Format, as a zip."""
    images = [{"id": i, "file_name": f"{i}.png", "width": 32, "height": 32, "annotations": [{"class_id": i % 2, "bbox": [4, 4, 16, 16]}]} for i in range(8)]
    classes = [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]
    with zipfile.ZipFile(folder / f"{DATASET}.zip", "w") as archive:
        for image in images:
            archive.writestr(f"images/{image['file_name']}", picture(20 * image["id"]))
        archive.writestr("annotations.json", json.dumps({"format_version": "1.0", "dataset_id": DATASET, "images": images, "classes": classes}))
    return folder / f"{DATASET}.zip"


@dataclass
class Case:
    name: str
    promise: str
    overlay: str = "minio"
    settings: dict[str, str] = field(default_factory=dict)
    memory: str = "512Mi"
    retries: int | None = None  # backoffLimit, None leaves the overlay's
    drive: Callable[[Case, Backend], None] = lambda case, backend: None  # what is done to it while it runs
    check: Callable[[Case, Backend], None] = lambda case, backend: None
    seconds: float = 300
    cgroup_v2: bool = False  # whether it needs nodes with cgroup v2, where the kubelet sets memory.oom.group

    @property
    def job(self) -> str:
        return f"trainer-{self.name}"

    @property
    def id(self) -> str:
        return self.settings["JOB_ID"]

    def container(self, name: str) -> dict[str, Any]:
        return {
            "name": name, "image": "trainer-base:cpu", "imagePullPolicy": "IfNotPresent", "env": STORE,
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "256Mi"}, "limits": {"memory": self.memory}},
            "volumeMounts": [{"name": "cases", "mountPath": "/cases", "readOnly": True}],
        }

    def kustomization(self, folder: Path) -> dict[str, Any]:
        """The overlay as people use it: with a name of its own, settings, an image and the script."""
        pod = {
            "containers": [{**self.container("trainer"), "args": ["python3", "/cases/train.py"]}],
            "volumes": [{"name": "cases", "configMap": {"name": "cases"}}, {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}],
        }
        if self.overlay == "prepare":
            pod["initContainers"] = [self.container("prepare")]
        spec: dict[str, Any] = {"template": {"spec": pod}}
        if self.retries is not None:
            spec["backoffLimit"] = self.retries
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "trainer"}, "spec": spec}
        no_gpu = [{"op": "remove", "path": "/spec/template/spec/containers/0/resources/limits/nvidia.com~1gpu"}]
        settings = {"FRAMEWORK": "acceptance", "MODEL_NAME": "small", "DATASET_ID": DATASET, "EPOCHS": "10", **self.settings}
        plain = {"disableNameSuffixHash": True}
        return {
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": NAMESPACE, "nameSuffix": f"-{self.name}",
            "resources": [os.path.relpath(K8S / self.overlay, folder.resolve())],
            "configMapGenerator": [
                {"name": "trainer-job", "behavior": "merge", "options": plain, "literals": [f"{k}={v}" for k, v in settings.items()]},
                {"name": "cases", "options": plain, "files": ["train.py"]},
            ],
            "patches": [{"patch": json.dumps(job)}] + ([] if self.overlay == "minio" else [{"target": {"kind": "Job", "name": "trainer"}, "patch": json.dumps(no_gpu)}]),
        }

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("train.py"), folder)
        (folder / "kustomization.yaml").write_text(json.dumps(self.kustomization(folder), indent=1))
        return folder


def want(true: bool, otherwise: str) -> None:
    if not true:
        raise AssertionError(otherwise)


def failed(backend: Backend, case: Case, code: str, says: str = "") -> None:
    done = backend.done(case.id)
    error = done.get("error") or {}
    want(done.get("status") == "failed" and error.get("code") == code, f"done says {done.get('status')} {error.get('code')}, not {code}")
    want(says in (done.get("error_message") or ""), f"{done.get('error_message')!r} does not say {says!r}")


def succeeded(case: Case, backend: Backend) -> None:
    want(cluster.ended(case.job) == "Complete", f"the Job is {cluster.ended(case.job)}")
    want(backend.done(case.id).get("status") == "succeeded", f"done: {backend.done(case.id)}")
    epochs = sorted({c["body"]["epoch"] for c in backend.calls(case.id, "heartbeat")} - {0})
    want(epochs == list(range(1, 11)), f"heartbeats of the epochs {epochs}")


def final(case: Case, code: str, backend: Backend, says: str = "") -> None:
    want(cluster.ended(case.job) == "Failed: PodFailurePolicy", f"the Job is {cluster.ended(case.job)}, so it was tried again or succeeded")
    failed(backend, case, code, says)


def exits(case: Case) -> list[int]:
    return [end["exitCode"] for pod in cluster.pods_of(case.job) for end in cluster.terminated(pod)]


def messages(case: Case) -> list[str]:
    return [end.get("message", "") for pod in cluster.pods_of(case.job) for end in cluster.terminated(pod)]


def plain_check(case: Case, backend: Backend) -> None:
    succeeded(case, backend)
    log = kubectl("-n", NAMESPACE, "logs", f"job/{case.job}")
    want("is not a variable" not in log, "the job warns of its own variables")
    want(not [k for k in backend.objects(f"jobs/{case.id}/") if "life" in k], "the run marker is still in the bucket")


def worker_failed(code: str) -> Callable[[Case, Backend], None]:
    return lambda case, backend: final(case, code, backend, "On Node 1")


def worker_killed(case: Case, backend: Backend) -> None:
    dones = backend.calls(case.id, "done")
    first = dones[0]["body"] if dones else {}
    want(first.get("status") == "failed", f"the first run, whose worker was killed, is told as {first.get('status')}")
    succeeded(case, backend)


def oom_twice(case: Case, backend: Backend) -> None:
    want(exits(case) == [137, 137, 1], f"the pods ended with {exits(case)}, not with 137, 137, 1")
    final(case, "HOST_OOM", backend, "in a row")
    told = backend.events(case.id, "previous_run_killed")
    want(len(told) == 2 and all(e["data"]["previous_run"]["code"] == "HOST_OOM" for e in told), f"previous_run_killed: {told}")
    want(all("HOST_OOM" in m for m in messages(case)), f"termination messages: {messages(case)}")


def oom_once(case: Case, backend: Backend) -> None:
    want(exits(case) == [137] and "HOST_OOM" in messages(case)[0], f"{exits(case)} {messages(case)}")
    want(backend.objects(f"jobs/{case.id}/life") != [], "the bucket has no run marker")


def training(backend: Backend, case: Case, epoch: int = 3) -> dict[str, Any]:
    """The running pod, once so many epochs are told."""
    cluster.until(f"epoch {epoch}", case.seconds, lambda: any(c["body"]["epoch"] >= epoch for c in backend.calls(case.id, "heartbeat")))
    return next(p for p in reversed(cluster.pods_of(case.job)) if p["status"]["phase"] == "Running")


def evict(case: Case, backend: Backend) -> None:
    name = training(backend, case)["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
    kubectl("create", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction", "-f", "-", stdin=json.dumps(body))


def suspend(case: Case, backend: Backend) -> None:
    training(backend, case)
    kubectl("-n", NAMESPACE, "patch", "job", case.job, "-p", '{"spec":{"suspend":true}}')
    cluster.until("no pod is left", 120, lambda: not [p for p in cluster.pods_of(case.job) if p["status"]["phase"] == "Running"])
    kubectl("-n", NAMESPACE, "patch", "job", case.job, "-p", '{"spec":{"suspend":false}}')


def delete(case: Case, backend: Backend) -> None:
    name = training(backend, case)["metadata"]["name"]
    kubectl("-n", NAMESPACE, "delete", "pod", name, "--wait=false")


def resumed(case: Case, backend: Backend) -> None:
    succeeded(case, backend)
    want(len(backend.events(case.id, "training_resumed")) >= 1, "nothing says that it resumed")


def refuse_the_token(case: Case, backend: Backend) -> None:
    """What a backend does whose token is rotated before the kubelet has synced the file."""
    training(backend, case, 1)
    backend.ask("/_sandbox/faults", {"job": case.id, "status": 401, "seconds": 12})


def prepare_failed(case: Case, backend: Backend) -> None:
    final(case, "DATASET_NOT_FOUND", backend)
    want(len(cluster.pods_of(case.job)) == 1, "it was tried again")
    want("DATASET_NOT_FOUND" in messages(case)[0], f"the init container's termination message: {messages(case)}")


def own_pods_only(case: Case, backend: Backend) -> None:
    """The Service of a job leads to that job's pods, while another of the same overlay runs beside it."""
    training(backend, case, 1)
    chosen = json.loads(kubectl("-n", NAMESPACE, "get", "endpointslices", "-l", f"kubernetes.io/service-name={case.job}", "-o", "json"))["items"]
    names = {e["targetRef"]["name"] for s in chosen for e in s.get("endpoints") or [] if "targetRef" in e}
    own = {p["metadata"]["name"] for p in cluster.pods_of(case.job)}
    want(names <= own and names != set(), f"the Service {case.job} leads to {names}, the job's pods are {own}")


def table() -> list[Case]:
    cases = [
        Case("plain", "the overlay minio trains in a restricted namespace, without a warning of its own variables", check=plain_check),
        Case("oom", "a container that memory kills is told by the next pod, and ends the job after the second", settings={"CASE_FILL": "8"}, memory="256Mi", check=oom_twice, seconds=600, cgroup_v2=True),
        Case("oom-no-retry", "the termination message says HOST_OOM where no pod follows", settings={"CASE_FILL": "8"}, memory="256Mi", retries=0, check=oom_once, cgroup_v2=True),
        Case("evicted", "an evicted pod is replaced and resumes", settings={"CASE_SECONDS": "2"}, drive=evict, check=resumed, seconds=400),
        Case("deleted", "a deleted pod is replaced and resumes", settings={"CASE_SECONDS": "2"}, drive=delete, check=resumed, seconds=400),
        Case("suspended", "a suspended job resumes", settings={"CASE_SECONDS": "2"}, drive=suspend, check=resumed, seconds=400),
        Case("token", "callbacks that a rotated token refuses for a while all arrive", settings={"CASE_SECONDS": "2"}, drive=refuse_the_token, check=succeeded),
        Case("prepare-fails", "what prepare cannot do is told, and not tried again", overlay="prepare", settings={"DATASET_ID": "no-such-dataset"}, check=prepare_failed),
        Case("two-a", "two jobs on several machines side by side find their own", overlay="nodes", settings={"CASE_SECONDS": "3"}, drive=own_pods_only, check=succeeded),
        Case("two-b", "as two-a, the other one", overlay="nodes", settings={"CASE_SECONDS": "3"}, drive=own_pods_only, check=succeeded),
    ]
    for on_term in ("exit0", "exit1", "exit143", "ignore"):
        for how, check in (("cuda", worker_failed("CUDA_OOM")), ("exit1", worker_failed("TRAINING_FAILED")), ("killed", worker_killed)):
            cases.append(Case(
                f"worker-{how}-{on_term}", f"a worker's end ({how}) is no success where node 0 answers SIGTERM with {on_term}", overlay="nodes",
                settings={"CASE_FAIL": how, "CASE_ON_TERM": on_term, "EPOCHS": "10" if how == "killed" else "1000"}, check=check, seconds=400,
            ))
    return cases
