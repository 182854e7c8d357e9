"""Trains Ultralytics YOLO on a prepared dataset: the training loop and nothing that the agent does.

The job comes from the environment (contract §3) or from the arguments of the command-line convention.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import offline  # noqa: F401  before ultralytics
import torch
from checkpoints import check_resumed, read_checkpoint
from config_schema import schema
from job_trainer import job_trainer
from trainer_sdk import Job, JobError, Platform, check_options, run
from trainer_vision.choices import choose, say, say_from_scratch, say_stopped_early, warn_of_rate
from trainer_vision.processes import launch, leave
from trainer_vision.weight_files import check_numbers
from ultralytics.nn.tasks import yaml_model_load
from ultralytics.utils import RANK

TASKS = {"object_detection": "detect", "instance_segmentation": "segment", "pose_estimation": "pose", "image_classification": "classify"}
SUFFIXES = {"detect": "", "segment": "-seg", "pose": "-pose", "classify": "-cls", "obb": "-obb"}

# Arguments of Ultralytics' training beside the fields of the schema.
PASSED_ON = (
    "angle", "auto_augment", "bgr", "cache", "channels_last", "cls_pw", "cls_remap", "compile", "copy_paste_mode", "cutmix", "kobj", "mask_ratio", "multi_scale",
    "overlap_mask", "pose", "rect", "rle", "warmup_momentum",
)

_CLASSES = "the classes of a model are those of its dataset"
_MEASURED = "it changes how validation measures, and the platform compares the metrics of trainings"
_FILES = "the platform has its own reports of a validation, and takes no other files"

# Arguments that would do something in a training, and are not for a job to set: why.
NOT_OFFERED = {
    "single_cls": f"{_CLASSES}. Train on a dataset whose objects all have one class",  # every prediction would have a class that the platform does not know
    "classes": f"{_CLASSES}. Train on a dataset that has only these",
    **dict.fromkeys(("conf", "iou", "max_det", "agnostic_nms", "nms", "augment", "half", "int8", "quantize", "dnn"), _MEASURED),
    **dict.fromkeys(("save_json", "save_txt", "save_conf", "save_crop", "save_frames", "visualize"), _FILES),
}


def main(job: Job, platform: Platform) -> None:
    job.check_task(list(TASKS))
    job.check_model(Path(__file__).with_name("capabilities.json"))
    options = check_options(job.options, schema(), also=PASSED_ON, refused=NOT_OFFERED)
    check_beginning(job, platform)
    started = time.monotonic()
    job = with_defaults(job, platform, options)
    trainer = job_trainer(task_of(job))(job, platform, build_overrides(job, options))
    if finished(job):
        trainer.finish()
    else:
        trainer.train()
    leave()
    if platform.stop_requested and not trainer.finished and (trainer.cut or trainer.epoch + 1 < trainer.epochs):
        platform.event("training_stopped", f"Stopped after epoch {len(trainer.history)} of {job.epochs}", {"epoch": len(trainer.history)})
        return
    if RANK in {-1, 0}:
        metrics = final_metrics(job, trainer.history, time.monotonic() - started)
        if trainer.epoch + 1 < job.epochs:
            best = int(metrics["best_epoch"])
            say_stopped_early(job, platform, trainer.epoch + 1, best, trainer.epoch + 1 - best)
        platform.done(metrics, checkpoint_path=relative_to_output(job, trainer.best))


def check_beginning(job: Job, platform: Platform) -> None:
    """A job's own checkpoint must be of its model and classes; one that a finished training left is the beginning of another training, which is said."""
    path = job.resume_checkpoint
    if path is None:
        return
    goes_on = resumable(path)
    if goes_on or job.resume_epoch:
        check_resumed(job, path)
    if not goes_on and not finished(job):
        message = f"{path.name} is of a finished training, which keeps no optimizer: its weights start a new training of {job.epochs} epochs, with a new optimizer and epochs counted from 1"
        say(f"[trainer] {message}")
        platform.event("training_begun_anew", message, {"epoch": job.resume_epoch, "epochs": job.epochs})


DEFAULTS = {field["name"]: field["default"] for field in schema()["fields"]}

# Usual rates of each optimizer; Ultralytics' own for SGD.
RATES = {"SGD": 0.01, "MuSGD": 0.01, "AdamW": 0.001, "Adam": 0.001, "NAdam": 0.001, "RAdam": 0.001, "RMSProp": 0.001}
LARGEST_RATE = 1.0  # Ultralytics' own limit
SIZES = {"image_classification": 224}  # pixels; the others 640


def with_defaults(job: Job, platform: Platform, options: dict[str, Any]) -> Job:
    """The job with an image size and a learning rate that suit model and optimizer, where nobody set them."""
    name, size = options["optimizer"], SIZES.get(job.task, 640)
    if job.resume_checkpoint and resumable(job.resume_checkpoint):  # as they were when it was saved
        saved = read_checkpoint(job.resume_checkpoint)[1]["train_args"]
        job = job.choose(image_size=saved["imgsz"], learning_rate=saved["lr0"], batch_size=saved["batch"])
    if name == "auto":
        if "learning_rate" not in job.unset:
            platform.event("setting_ignored", f"LEARNING_RATE {job.learning_rate:g}: with optimizer=auto Ultralytics chooses the rate itself", {"learning_rate": job.learning_rate})
        say_from_scratch(job, platform)
        return choose(job, platform, job.model, image_size=size)
    job = choose(job, platform, job.model, image_size=size, learning_rate=RATES[name])
    say_from_scratch(job, platform)
    warn_of_rate(job, platform, RATES[name])
    return job


def task_of(job: Job) -> str:
    """The task in Ultralytics' words; a detector of rotated boxes is told by its name."""
    return "obb" if job.task == "object_detection" and job.model.removesuffix(".pt").removesuffix(".yaml").endswith(SUFFIXES["obb"]) else TASKS[job.task]


def build_overrides(job: Job, options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of Ultralytics' trainer for the job."""
    task = task_of(job)
    device = ultralytics_device(job.device)
    check_rate(job, options["optimizer"])
    overrides = {
        **{key: value for key, value in options.items() if not (key == "freeze" and value == 0)},
        "task": task, "mode": "train", "model": model_config(job.model, task), "data": str(job.dataset_config),
        "epochs": job.epochs, "batch": job.batch_size, "imgsz": job.image_size, "lr0": job.learning_rate, "device": device,
        "workers": job.workers, "project": str(job.output_dir), "name": "train", "exist_ok": True,
        "save_dir": str(job.output_dir / "train"), "save": True, "val": True, "pretrained": False, "verbose": True,
    }
    if device == "cpu":
        overrides["amp"] = False
    if job.resume_checkpoint and resumable(job.resume_checkpoint) and not finished(job):
        overrides["resume"] = str(job.resume_checkpoint)
    elif weights := job.resume_checkpoint or job.pretrained_weights:
        overrides["pretrained"] = check_weights(weights)
    return overrides


def check_rate(job: Job, optimizer: str) -> None:
    if job.learning_rate > LARGEST_RATE:
        usual = f"{RATES[optimizer]:g} suits {optimizer}" if optimizer in RATES else "optimizer=auto chooses its own"
        raise JobError(f"LEARNING_RATE {job.learning_rate:g} is more than {LARGEST_RATE:g}, the largest that Ultralytics takes; {usual}")


def model_config(name: str, task: str) -> str:
    """The model's YAML, which needs no network; its task must be the job's."""
    stem = name.removesuffix(".pt").removesuffix(".yaml")
    try:
        yaml_model_load(f"{stem}.yaml")
    except (FileNotFoundError, ValueError):
        raise JobError(f"MODEL_NAME {name!r} is not a model of Ultralytics, for example yolo11n{SUFFIXES[task]}") from None
    suffix = next((s for s in SUFFIXES.values() if s and stem.endswith(s)), "")
    if suffix != SUFFIXES[task]:
        raise JobError(f"MODEL_NAME {name!r} does not fit the task {task}; use {stem.removesuffix(suffix)}{SUFFIXES[task]}")
    return f"{stem}.yaml"


def ultralytics_device(device: str) -> str:
    """DEVICE in Ultralytics' words: "cuda" is every visible GPU that this process was started for."""
    if not device.startswith("cuda"):
        return device
    if not torch.cuda.is_available():
        raise JobError(f"DEVICE is {device}, but torch sees no GPU; set DEVICE=cpu or give the container a GPU")
    if ":" in device:
        return device.split(":", 1)[1]
    return ",".join(map(str, range(torch.cuda.device_count() if RANK >= 0 else 1)))


def resumable(checkpoint: Path) -> bool:
    """Whether a checkpoint holds a training under way: its optimiser, and an epoch that was completed."""
    _, state = read_checkpoint(checkpoint)
    return state.get("optimizer") is not None and state.get("epoch", -1) >= 0


def finished(job: Job) -> bool:
    """Whether RESUME_CHECKPOINT is the end of the job's training: the machine was lost between its last epoch, or the one after which patience ended it, and `done`.

    Ultralytics takes the optimizer out of a finished run's checkpoints. Without RESUME_EPOCH such a file is
    somebody's weights; with it, it is this job's own, and the epochs that were asked for then are in it.
    """
    path = job.resume_checkpoint
    if path is None or not path.is_file() or path.suffix != ".pt":
        return False
    _, state = read_checkpoint(path)
    if state.get("optimizer") is not None:
        return state["epoch"] + 1 >= job.epochs or patience_spent(job, state)
    asked = state.get("train_args", {}).get("epochs", 0)
    return job.resume_epoch >= job.epochs or (job.resume_epoch > 0 and asked >= job.epochs)


def patience_spent(job: Job, state: dict[str, Any]) -> bool:
    """Whether the epoch in a checkpoint was the last for its patience; Ultralytics asks only behind another epoch."""
    patience, best = job.options.get("patience", DEFAULTS["patience"]), (state.get("stopper") or {}).get("best_epoch", 0)
    return isinstance(patience, int) and 0 < patience <= state["epoch"] + 1 - best and best > 0


def check_weights(path: Path) -> str:
    model, _ = read_checkpoint(path)
    check_numbers(path, model.state_dict())
    return str(path)


def final_metrics(job: Job, history: list[dict[str, float]], seconds: float) -> dict[str, float]:
    """The metrics of the best epoch by the primary metric."""
    sign = -1 if job.primary_metric_mode == "min" else 1
    measured = [row for row in history if row.get(job.primary_metric, float("nan")) == row.get(job.primary_metric)]
    best = max(measured, key=lambda row: sign * row[job.primary_metric], default={})
    metrics = {key: value for key, value in best.items() if key != "epoch"}
    return {**metrics, "best_epoch": best.get("epoch", 0), "epochs": len(history), "total_time_seconds": round(seconds, 3)}


def relative_to_output(job: Job, path: Path) -> str | None:
    return str(path.relative_to(job.output_dir)) if path.is_file() and path.is_relative_to(job.output_dir) else None


if __name__ == "__main__":
    launch(sys.argv[1:], alone=finished)  # what is left of a finished training is for one process
    run(main)
