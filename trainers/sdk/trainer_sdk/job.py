"""The job as a value: what the environment that the agent prepared, or the command line, says of it."""

from __future__ import annotations

import argparse
import json
import os
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

PRIMARY_METRICS = {
    "object_detection": "mAP50-95",
    "instance_segmentation": "mAP50-95(M)",
    "pose_estimation": "mAP50-95(P)",
    "image_classification": "accuracy",
    "zero_shot_classification": "accuracy",
    "semantic_segmentation": "mIoU",
}

# Settings that the model decides where nobody sets them.
MODELS_CHOICE = ("image_size", "learning_rate", "batch_size")

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
    pretrained: bool = True  # False: PRETRAINED=false asked for a training from scratch
    classes_file: Path | None = None  # the classes that an inference or export job's checkpoint was trained on
    unset: frozenset[str] = frozenset()  # settings that nobody set, of image_size, learning_rate and batch_size

    @classmethod
    def load(cls, argv: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Job:
        """Read the job; arguments of the command-line convention win over the environment."""
        env = {k: v for k, v in (os.environ if env is None else env).items() if v != ""}
        flags = parse_flags(argv)
        settings, options = split_config(flags.config if flags.config is not None else long_value(env, "CONFIG_JSON", "{}"))
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
            class_names=tuple(json.loads(long_value(env, "CLASS_NAMES", "[]"))),
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
            pretrained=env.get("PRETRAINED", "true").lower() not in {"false", "0", "no"},
            classes_file=_optional_path(env, "CLASSES_FILE"),
            unset=frozenset(name for name in MODELS_CHOICE if name not in settings and name.upper() not in env),
        )

    def choose(self, **values: Any) -> Job:
        """The job with these settings where nobody set them, for a trainer that knows what suits its model."""
        chosen = {name: value for name, value in values.items() if name in self.unset}
        return replace(self, **chosen, unset=self.unset - chosen.keys())

    def classes(self) -> list[ClassEntry]:
        """The classes in index order, from classes.json beside the dataset, else from CLASS_NAMES."""
        path = self.dataset_dir / "classes.json"
        if self.classes_file is not None and not _prepared(path):
            path = self.classes_file  # of the checkpoint's training, for jobs without a labelled dataset
        if not path.is_file():
            return [ClassEntry(i, name) for i, name in enumerate(self.class_names)]
        entries = json.loads(path.read_text(encoding="utf-8"))["classes"]
        classes = [ClassEntry(e["index"], e["name"], e.get("folder", ""), e.get("id")) for e in entries]
        if [c.index for c in classes] != list(range(len(classes))):
            raise JobError(f"{path} does not list the class indices 0 to {len(classes) - 1} in order; prepare the dataset again")
        return classes

    def check_model(self, capabilities: Path) -> None:
        """Refuse a model that capabilities.json lists as one that cannot be trained, with the reason that stands there."""
        if not capabilities.is_file():
            return
        models = json.loads(capabilities.read_text(encoding="utf-8"))["models"]
        for entry in models:
            if entry["model_name"] == self.model and not entry["supported"]:
                raise JobError(f"MODEL_NAME {self.model!r} cannot be trained. {entry['description']}")

    def check_task(self, supported: Sequence[str]) -> None:
        """Refuse a task that this trainer does not do, instead of training something else."""
        if self.task not in supported:
            raise JobError(f"TASK_TYPE {self.task!r} is not one that this trainer does: {', '.join(supported)}")


def long_value(env: Mapping[str, str], name: str, default: str) -> str:
    """A list of the environment, which the agent passes as the path NAME_FILE where it is too long for a variable."""
    if name not in env and f"{name}_FILE" in env:
        return Path(env[f"{name}_FILE"]).read_text(encoding="utf-8")
    return env.get(name, default)


def parse_flags(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The job comes from the environment; these arguments win over it.")
    parser.add_argument("--job-id")
    parser.add_argument("--model-name")
    parser.add_argument("--dataset-s3-uri", help="file:// address of a prepared dataset")
    parser.add_argument("--callback-url", help="in place of BACKEND_BASE_URL")
    parser.add_argument("--config", help="settings and options as one JSON object")
    parser.add_argument("--log-level", type=str.upper, help="of Python's logging, as the platform's job template gives it")
    flags, unknown = parser.parse_known_args(list(argv))
    flags.unknown = unknown
    return flags


def split_config(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split CONFIG_JSON into the job's own settings and the user's options for the framework.

    Options stand in the key "config", or beside the settings. A setting that stands in "config" is no setting: it stays
    among the options, where check_options refuses it together with every other mistake.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise JobError(f"CONFIG_JSON is not JSON ({error}), for example {{\"config\": {{\"seed\": 1}}}}") from None
    nested = raw.get("config") or {} if isinstance(raw, dict) else None
    if isinstance(nested, dict) and set(nested) == {"config"} and isinstance(nested["config"], dict):
        nested = nested["config"]  # CONFIG_JSON was given as the agent passes it on, with a key "config" of its own
    if not isinstance(nested, dict):
        raise JobError("CONFIG_JSON is not a JSON object, for example {\"config\": {\"seed\": 1}}")
    named = {_SETTING_ALIASES.get(key, key): value for key, value in raw.items()}
    settings = {key: value for key, value in named.items() if key in _SETTINGS}
    options = {key: value for key, value in named.items() if key not in _JOB_KEYS}
    return settings, {**options, **nested}


def setting_of(option: str) -> str | None:
    """The job's setting of that name or alias."""
    setting = _SETTING_ALIASES.get(option, option)
    return setting if setting in _SETTINGS else None


def _prepared(path: Path) -> bool:
    """Whether it is a conversion's classes.json: an inference job gets the dataset as it is, which may have a file of that name of its own."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and bool(found.get("task_type")) and bool(found.get("format"))


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
