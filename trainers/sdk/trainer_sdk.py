"""What a trainer says to the platform and what it is told: one file, standard library only.

`run(train)` reads the job from the environment that trainer-agent prepared, calls
`train(job, platform)` and turns its end into an exit code. `Platform` reports heartbeats,
events, validations and results to the agent's loopback relay, in order and with short
timeouts, and never raises into a training loop; without an agent it prints instead.
Storage, retries, checkpoint uploads and system metrics are the agent's work, not the trainer's.

    import trainer_sdk

    def train(job, platform):
        for epoch in range(1, job.epochs + 1):
            platform.heartbeat(epoch, {"loss": 1 / epoch})
            if platform.stop_requested:
                return
        platform.done({"loss": 1 / job.epochs})

    if __name__ == "__main__":
        trainer_sdk.run(train)
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import faulthandler
import json
import math
import os
import signal
import sys
import traceback
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

__version__ = "1.0.0"

POST_TIMEOUT_SECONDS = 5.0
VALIDATION_TIMEOUT_SECONDS = 15.0  # the relay waits a moment for the backend's is_best
EXIT_FAILED = 1
EXIT_STOPPED = 128 + signal.SIGTERM

PRIMARY_METRICS = {
    "object_detection": "mAP50-95",
    "instance_segmentation": "mAP50-95(M)",
    "pose_estimation": "mAP50-95(P)",
    "image_classification": "accuracy",
    "zero_shot_classification": "accuracy",
    "semantic_segmentation": "mIoU",
}

# Other names under which --config may carry a setting of the job.
_SETTING_ALIASES = {"batch": "batch_size", "imgsz": "image_size", "lr": "learning_rate", "lr0": "learning_rate", "workers": "num_workers"}
_SETTINGS = {"epochs", "batch_size", "learning_rate", "image_size", "device", "num_workers", "checkpoint_frequency", "primary_metric", "primary_metric_mode"}
# Keys that the agent writes into CONFIG_JSON and that are no option of a framework.
_JOB_KEYS = _SETTINGS | {
    "job_id", "trace_id", "job_type", "task_type", "framework", "model_name", "dataset_id", "snapshot_id", "split_strategy",
    "max_training_time", "max_training_time_seconds", "training", "inference", "export", "config",
}


class JobError(Exception):
    """The job cannot run as it was asked for; the message says what to change."""


@dataclass(frozen=True)
class ClassEntry:
    """One class of the prepared dataset, as classes.json has it."""

    index: int
    name: str
    folder: str = ""
    id: Any = None


@dataclass(frozen=True)
class Job:
    """One job as the environment (section 3 of the contract) or the command line describes it."""

    id: str
    trace_id: str
    task: str
    model: str
    dataset_dir: Path
    dataset_config: Path  # data.yaml, or the folder
    dataset_format: str
    annotations_path: Path | None
    class_names: tuple[str, ...]
    pretrained_weights: Path | None
    resume_checkpoint: Path | None
    resume_epoch: int  # completed epochs that it holds; 0 when that is not known
    output_dir: Path
    checkpoint_dir: Path
    epochs: int
    batch_size: int
    learning_rate: float
    image_size: int  # pixels, both sides
    device: str
    workers: int
    checkpoint_frequency: int  # epochs; 0 = only best and last
    primary_metric: str
    primary_metric_mode: str  # max or min
    options: dict[str, Any] = field(default_factory=dict)  # the user's own, for the framework

    @classmethod
    def load(cls, argv: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Job:
        """Read the job; arguments of the command-line convention win over the environment."""
        env = {k: v for k, v in (os.environ if env is None else env).items() if v != ""}
        flags = _parse_flags(argv)
        settings, options = split_config(flags.config if flags.config is not None else env.get("CONFIG_JSON", "{}"))
        from_flags = flags.config is not None

        def setting(name: str, convert: Callable[[Any], Any], default: Any) -> Any:
            value = env.get(name.upper())
            if name in settings and (from_flags or value is None):
                value = settings[name]
            if value is None:
                return default
            try:
                return convert(value)
            except (TypeError, ValueError):
                raise JobError(f"{name.upper()} is {value!r}, which is not a valid {convert.__name__}") from None

        dataset_dir = _dataset_dir(flags.dataset_s3_uri, env)
        output_dir = Path(env.get("OUTPUT_DIR", "runs")).absolute()
        task = env.get("TASK_TYPE", "object_detection")
        return cls(
            id=flags.job_id or env.get("JOB_ID", "local"),
            trace_id=env.get("TRACE_ID", "local"),
            task=task,
            model=flags.model_name or env.get("MODEL_NAME", ""),
            dataset_dir=dataset_dir,
            dataset_config=Path(env["DATASET_CONFIG"]) if "DATASET_CONFIG" in env else _dataset_config(dataset_dir),
            dataset_format=env.get("DATASET_FORMAT", ""),
            annotations_path=_optional_path(env, "ANNOTATIONS_PATH"),
            class_names=tuple(json.loads(env.get("CLASS_NAMES", "[]"))),
            pretrained_weights=_optional_path(env, "PRETRAINED_WEIGHTS"),
            resume_checkpoint=_optional_path(env, "RESUME_CHECKPOINT"),
            resume_epoch=setting("resume_epoch", int, 0),
            output_dir=output_dir,
            checkpoint_dir=Path(env.get("CHECKPOINT_DIR", output_dir / "checkpoints")).absolute(),
            epochs=setting("epochs", int, 1),
            batch_size=setting("batch_size", int, 16),
            learning_rate=setting("learning_rate", float, 0.001),
            image_size=setting("image_size", int, 640),
            device=setting("device", str, "cpu"),
            workers=setting("num_workers", int, 4),
            checkpoint_frequency=setting("checkpoint_frequency", int, 5),
            primary_metric=setting("primary_metric", str, PRIMARY_METRICS.get(task, "accuracy")),
            primary_metric_mode=setting("primary_metric_mode", str, "max"),
            options=options,
        )

    def classes(self) -> list[ClassEntry]:
        """The classes in index order, from classes.json beside the dataset, else from CLASS_NAMES."""
        path = self.dataset_dir / "classes.json"
        if not path.is_file():
            return [ClassEntry(i, name) for i, name in enumerate(self.class_names)]
        entries = json.loads(path.read_text(encoding="utf-8"))["classes"]
        classes = [ClassEntry(e["index"], e["name"], e.get("folder", ""), e.get("id")) for e in entries]
        if [c.index for c in classes] != list(range(len(classes))):
            raise JobError(f"{path} does not list the class indices 0 to {len(classes) - 1} in order; prepare the dataset again")
        return classes

    def check_task(self, supported: Sequence[str]) -> None:
        """Refuse a task that this trainer does not do, instead of training something else."""
        if self.task not in supported:
            raise JobError(f"TASK_TYPE {self.task!r} is not one that this trainer does: {', '.join(supported)}")


def _parse_flags(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The job comes from the environment; these arguments win over it.")
    parser.add_argument("--job-id")
    parser.add_argument("--model-name")
    parser.add_argument("--dataset-s3-uri", help="file:// address of a prepared dataset")
    parser.add_argument("--callback-url", help="in place of BACKEND_BASE_URL")
    parser.add_argument("--config", help="settings and options as one JSON object")
    return parser.parse_args(list(argv))


def split_config(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split CONFIG_JSON into the job's own settings and the user's options for the framework.

    Options stand in the key "config", or beside the settings.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise JobError(f"CONFIG_JSON is not JSON ({error}), for example {{\"config\": {{\"seed\": 1}}}}") from None
    nested = raw.get("config") or {} if isinstance(raw, dict) else None
    if not isinstance(nested, dict):
        raise JobError("CONFIG_JSON is not a JSON object, for example {\"config\": {\"seed\": 1}}")
    named = {_SETTING_ALIASES.get(key, key): value for key, value in raw.items()}
    settings = {key: value for key, value in named.items() if key in _SETTINGS}
    options = {key: value for key, value in named.items() if key not in _JOB_KEYS}
    for key, value in nested.items():
        setting = _SETTING_ALIASES.get(key, key)
        if setting in _SETTINGS:
            raise JobError(f"option {key!r} is a setting of the job: set {setting.upper()} instead")
        options[key] = value
    return settings, options


def _dataset_dir(uri: str | None, env: Mapping[str, str]) -> Path:
    parsed = urllib.parse.urlsplit(uri or env.get("DATASET_URI", ""))
    if parsed.scheme == "file":
        return Path(urllib.parse.unquote(parsed.path))
    if uri and parsed.scheme:
        raise JobError(f"cannot read {uri}: downloads are the agent's work; run under trainer-agent or pass file:// of a prepared dataset")
    if not uri and "DATASET_DIR" not in env:
        return Path()
    return Path(uri or env["DATASET_DIR"]).absolute()


def _dataset_config(folder: Path) -> Path:
    return folder / "data.yaml" if (folder / "data.yaml").is_file() else folder


def _optional_path(env: Mapping[str, str], name: str) -> Path | None:
    return Path(env[name]) if name in env else None


def check_options(options: Mapping[str, Any], schema: Mapping[str, Any], also: Sequence[str] = ()) -> dict[str, Any]:
    """Check the user's options against a config schema and return them with every default filled in.

    A key of `also` is passed on unchecked; any other unknown key is a JobError that lists the valid ones.
    """
    fields = {f["name"]: f for f in schema["fields"]}
    valid = sorted({*fields, *also})
    problems = []
    for key, value in options.items():
        if key not in valid:
            near = difflib.get_close_matches(key, valid, 1)
            problems.append(f"unknown option {key!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        elif key in fields and (expected := _mismatch(value, fields[key])):
            problems.append(f"option {key!r} is {value!r}, expected {expected}")
    if problems:
        raise JobError(f"{'; '.join(problems)}. Valid options: {', '.join(valid)}")
    return {**{name: f["default"] for name, f in fields.items()}, **options}


def _mismatch(value: Any, spec: Mapping[str, Any]) -> str | None:
    """What a field expects, when the value is not that."""
    if spec["type"] == "select":
        return None if value in spec["options"] else f"one of {', '.join(map(str, spec['options']))}"
    kinds: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "string": (str,)}
    if not isinstance(value, kinds[spec["type"]]) or (isinstance(value, bool) and spec["type"] != "bool"):
        return f"a value of type {spec['type']}"
    low, high = spec.get("min"), spec.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        return f"a value from {low} to {high}"
    return None


class Platform:
    """Reports to the agent's relay. Every method returns; none of them raises.

    Only rank 0 of a multi-process training speaks; the others stay silent. Paths in payloads are relative
    to OUTPUT_DIR: the agent replaces them by the address of the object it uploads.
    """

    def __init__(self, job: Job, base_url: str = "", token: str = "", rank: int = 0) -> None:
        self.job = job
        self.stop_requested = False  # set by SIGTERM: finish the step, save, return
        self.finished = False  # a final callback was reported
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._silent = rank != 0
        self._best: float | None = None
        # A proxy in the environment is for the internet, never for the loopback relay.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @classmethod
    def connect(cls, job: Job, argv: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Platform:
        env = os.environ if env is None else env
        url = _parse_flags(argv).callback_url or env.get("BACKEND_BASE_URL", "")
        return cls(job, url, env.get("CALLBACK_TOKEN", ""), int(env.get("RANK") or 0))

    def heartbeat(self, epoch: int, metrics: Mapping[str, Any], progress: float | None = None) -> None:
        """Report a completed epoch (1-based) and its metrics."""
        percent = 100 * epoch / max(self.job.epochs, 1) if progress is None else progress
        self._report("jobs/{id}/heartbeat", {"epoch": epoch, "progress": min(max(percent, 0.0), 100.0), "metrics": metrics})

    def event(self, event_type: str, message: str, data: Mapping[str, Any] | None = None) -> None:
        self._report("jobs/{id}/event", {"event_type": event_type, "message": message, "data": data or {}})

    def validation(
        self,
        epoch: int,
        metrics: Mapping[str, Any],
        *,
        per_class_metrics: Sequence[Mapping[str, Any]] | None = None,
        confusion_matrix: Sequence[Sequence[int]] | None = None,
        pr_curves: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
        image_results_path: str | None = None,
        num_images: int = 0,
        seconds: float | None = None,
    ) -> bool:
        """Report a validation run and return whether it is the best so far by the primary metric."""
        value = _number(metrics.get(self.job.primary_metric))
        reply = self._report(
            "jobs/{id}/validation",
            {
                "epoch": epoch, "task_type": self.job.task, "primary_metric_name": self.job.primary_metric,
                "primary_metric_value": value, "metrics": metrics, "per_class_metrics": per_class_metrics,
                "confusion_matrix": confusion_matrix, "pr_curves": pr_curves, "image_results_path": image_results_path,
                "num_images_validated": num_images, "validation_time_seconds": seconds,
            },
            VALIDATION_TIMEOUT_SECONDS,
        )
        own = self._note_best(value)
        is_best = reply.get("is_best")
        return is_best if isinstance(is_best, bool) else own

    def done(self, final_metrics: Mapping[str, Any] | None = None, *, checkpoint_path: str | None = None, error: str | None = None) -> None:
        """End a training job: succeeded, or failed when there is an error."""
        self._final("jobs/{id}/done", error, {"final_metrics": final_metrics or {}, "checkpoint_path": checkpoint_path})

    def inference_progress(self, processed: int, total: int, average_ms: float) -> None:
        percent = 100 * processed / max(total, 1)
        self._report("inference/{id}/progress", {"processed_images": processed, "total_images": total, "progress_percent": percent, "avg_inference_time_ms": average_ms})

    def test_run_done(self, results: Mapping[str, Any] | None = None, *, error: str | None = None) -> None:
        """End a test run; results holds the other fields of the callback (overall_metrics, results_path, …)."""
        empty: dict[str, Any] = {"overall_metrics": {}, "per_class_metrics": None, "confusion_matrix": None, "pr_curves": None, "results_path": None, "visualizations_path": None, "xai_results_path": None}
        self._final("test-runs/{id}/done", error, {**empty, **(results or {})})

    def inference_done(self, results: Mapping[str, Any] | None = None, *, error: str | None = None) -> None:
        empty = {"results_path": None, "visualizations_path": None, "xai_results_path": None}
        self._final("inference/jobs/{id}/done", error, {**empty, **(results or {})})

    def export_progress(self, percent: float, stage: str, message: str) -> None:
        self._report("export/jobs/{id}/progress", {"progress_percent": percent, "stage": stage, "message": message})

    def export_done(self, results: Mapping[str, Any] | None = None, *, error: str | None = None) -> None:
        empty = {"export_path": None, "metadata_path": None, "package_path": None, "model_info": None, "validation_metrics": None}
        self._final("export/jobs/{id}/done", error, {**empty, **(results or {})})

    def write_image_results(self, epoch: int, images: Sequence[Mapping[str, Any]]) -> str | None:
        """Write the per-image results of a validation; the path, relative to OUTPUT_DIR, belongs in `validation`."""
        name = f"validation-results/epoch-{epoch}/images.json"
        if self._silent:
            return None
        try:
            write_json(self.job.output_dir / name, {"epoch": epoch, "task_type": self.job.task, "images": images})
        except OSError as error:
            _warn(f"cannot write {name}: {error}")
            return None
        return name

    def _note_best(self, value: float | None) -> bool:
        if value is None:
            return False
        sign = -1 if self.job.primary_metric_mode == "min" else 1
        if self._best is not None and sign * value <= sign * self._best:
            return False
        self._best = value
        return True

    def _final(self, path: str, error: str | None, body: dict[str, Any]) -> None:
        self.finished = True
        self._report(path, {"status": "failed" if error else "succeeded", **body, "error_message": error or None})

    def _report(self, path: str, body: dict[str, Any], timeout: float = POST_TIMEOUT_SECONDS) -> dict[str, Any]:
        if self._silent:
            return {}
        try:
            text = json.dumps(clean({**body, "timestamp": now()}), ensure_ascii=False, allow_nan=False)
            if not self._base_url:
                print(f"[trainer] {path.replace('{id}', self.job.id)} {text}", flush=True)
                return {}
            return self._post(path, text, timeout)
        except Exception as error:  # training is sacred: a report that fails is told and forgotten
            _warn(f"cannot report {path}: {error}")
            return {}

    def _post(self, path: str, text: str, timeout: float) -> dict[str, Any]:
        url = f"{self._base_url}/api/v1/{path.replace('{id}', urllib.parse.quote(self.job.id, safe=''))}"
        headers = {"Authorization": f"Bearer {self._token}", "X-Trace-ID": self.job.trace_id, "Content-Type": "application/json"}
        request = urllib.request.Request(url, text.encode(), headers, method="POST")
        with self._opener.open(request, timeout=timeout) as response:
            reply = json.loads(response.read(1 << 20) or b"{}")
        return reply if isinstance(reply, dict) else {}


def now() -> str:
    """The time of an event, RFC 3339 in UTC."""
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")


def clean(value: Any) -> Any:
    """Make a value fit for JSON: NaN and infinities become null, numpy and torch values plain ones."""
    if isinstance(value, Mapping):
        return {str(k): clean(v) for k, v in value.items()}
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy arrays and scalars, torch tensors
        return clean(value.tolist())
    if isinstance(value, Sequence | set | frozenset):
        return [clean(v) for v in value]
    return str(value)


def _number(value: Any) -> float | None:
    value = clean(value)
    return float(value) if isinstance(value, int | float) else None


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file at once: a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.tmp")
    partial.write_text(json.dumps(clean(value), ensure_ascii=False, indent=1), encoding="utf-8")
    partial.replace(path)


def _warn(message: str) -> None:
    print(f"[trainer] warning: {message}", file=sys.stderr, flush=True)


def watch_signals(platform: Platform) -> None:
    """SIGTERM asks the platform object to stop; SIGUSR1 prints every thread's stack to stderr."""
    faulthandler.enable()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, all_threads=True, chain=False)

    def stop(_number: int, _frame: FrameType | None) -> None:
        if platform.stop_requested:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # asked twice: the next one ends the process
        platform.stop_requested = True

    def outlive(_number: int, _frame: FrameType | None) -> None:
        # A data loader's worker gets the group's SIGTERM too. It must serve the step that the
        # trainer finishes, and must not stay for ever: the alarm ends it.
        signal.alarm(60)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, stop)
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, outlive))


def launch_processes(per_node: int, env: Mapping[str, str] | None = None) -> None:
    """Start this script again under torchrun, one process a device; return when one process is enough.

    PET_NPROC_PER_NODE, PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR and PET_MASTER_PORT are torchrun's own
    variables and win over `per_node`. The process is replaced, so signals of the agent reach torchrun.
    """
    env = os.environ if env is None else env
    nodes = env.get("PET_NNODES", "1")
    count = env.get("PET_NPROC_PER_NODE", str(per_node))
    if "RANK" in env or (nodes == "1" and count in {"0", "1"}):
        return
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", count]
    command += ["--standalone"] if nodes == "1" else []
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # torchrun has no handler, and the default ends it
    sys.stdout.flush()
    os.execv(sys.executable, [*command, *sys.argv])


def run(train: Callable[[Job, Platform], None], argv: Sequence[str] | None = None, fail: str = "done") -> NoReturn:
    """Run a trainer to its end: exit 0, 1 with a failed `done`, or 143 when it was told to stop.

    `fail` names the final callback of the job's kind: done, test_run_done, inference_done or export_done.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        job = Job.load(argv)
        platform = Platform.connect(job, argv)
    except (JobError, ValueError) as error:
        print(f"[trainer] error: {error}", file=sys.stderr, flush=True)
        sys.exit(EXIT_FAILED)
    watch_signals(platform)
    if fail == "done" and "BACKEND_BASE_URL" not in os.environ:  # without the agent nobody has made it
        with contextlib.suppress(OSError):
            job.checkpoint_dir.mkdir(parents=True, exist_ok=True)
    try:
        train(job, platform)
    except BaseException as error:
        if isinstance(error, SystemExit) and error.code in {0, None}:
            raise
        message = str(error) if isinstance(error, JobError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, JobError):
            traceback.print_exc()
        print(f"[trainer] error: {message}", file=sys.stderr, flush=True)
        getattr(platform, fail)(error=message)
        sys.exit(EXIT_FAILED)
    sys.exit(EXIT_STOPPED if platform.stop_requested and not platform.finished else 0)
