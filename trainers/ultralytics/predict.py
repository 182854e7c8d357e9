"""Predictions of a YOLO checkpoint: a test run on a labelled split, or an inference job on images.

From the environment (contract §2), or `predict.py --checkpoint best.pt --image photo.jpg --output out`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import offline  # noqa: F401  before ultralytics
from results import BoxRecorder, ClassRecorder, NamedSamples, per_class_metrics, platform_metrics, pr_curves
from trainer_sdk import Job, JobError, Platform, run
from trainer_sdk.inference import InferenceRequest, Progress, final_callback, finish, images_below, warn_of_unsupported
from ultralytics import YOLO
from ultralytics.engine.results import Results
from ultralytics.models.yolo.classify import ClassificationValidator
from ultralytics.utils import YAML

TASKS = {"detect": "object_detection", "segment": "instance_segmentation", "pose": "pose_estimation", "classify": "image_classification"}


def main(job: Job, platform: Platform) -> None:
    request = InferenceRequest.load(job, sys.argv[1:])
    model = load_model(request.checkpoint)
    warn_of_unsupported(platform)
    images = list(request.images) or split_images(job, request.split)
    settings = {"conf": request.confidence, "iou": request.iou, "imgsz": request.image_size or model.overrides.get("imgsz", 640), "batch": request.batch_size, "device": device(job)}
    entries = list(predictions(model, images, request, Progress(platform, len(images)), settings))
    metrics = measure(model, job, request, settings) if request.labelled else None
    finish(job, platform, request, entries, metrics)


def load_model(checkpoint: Path) -> YOLO:
    try:
        return YOLO(checkpoint)
    except Exception as error:
        raise JobError(f"cannot read the checkpoint {checkpoint}: {error}") from error


def device(job: Job) -> str:
    return "0" if job.device == "cuda" else job.device.removeprefix("cuda:")


def split_images(job: Job, split: str) -> list[Path]:
    folder = job.dataset_dir / split if job.dataset_config.is_dir() else Path(YAML.load(job.dataset_config).get("path", job.dataset_dir)) / "images" / split
    if not (found := images_below(folder)):
        raise JobError(f"TEST_SPLIT {split!r}: there is no image in {folder}")
    return found


def predictions(model: YOLO, images: list[Path], request: InferenceRequest, progress: Progress, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for result in model.predict([str(p) for p in images], stream=True, verbose=False, save=False, **settings):
        path = Path(result.path)
        if request.visualize:
            target = request.output_dir / "visualizations" / f"{progress.done:06}-{path.stem}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            result.save(filename=str(target))
        yield {"image_path": str(path), "predictions": describe(result)}
        progress.advance(1)


def describe(result: Results) -> dict[str, Any]:
    """One image's predictions; boxes are x1, y1, x2, y2 in pixels."""
    if result.probs is not None:
        top = [{"class_id": i, "class_name": result.names[i], "confidence": round(float(result.probs.data[i]), 5)} for i in result.probs.top5]
        return {**top[0], "top5": top}
    boxes: list[dict[str, Any]] = [
        {"bbox": [round(v, 2) for v in box], "class_id": int(c), "class_name": result.names[int(c)], "confidence": round(confidence, 5)}
        for box, c, confidence in zip(result.boxes.xyxy.tolist(), result.boxes.cls.tolist(), result.boxes.conf.tolist(), strict=True)
    ]
    for i, box in enumerate(boxes):
        if result.masks is not None:
            box["segmentation"] = [[round(float(v), 2) for v in result.masks.xy[i].flatten()]]
        if result.keypoints is not None:
            box["keypoints"] = [[round(float(v), 2) for v in point] for point in result.keypoints.data[i].tolist()]
    return {"boxes": boxes, "bbox_format": "xyxy"}


def measure(model: YOLO, job: Job, request: InferenceRequest, settings: dict[str, Any]) -> dict[str, Any]:
    """The test run's metrics on the labelled split."""
    arguments = {**settings, "conf": None, "data": str(job.dataset_config), "split": request.split, "mode": "val", "plots": False, "task": model.task}
    cls = model.task_map[model.task]["validator"]
    validator = (NamedClassificationValidator if cls is ClassificationValidator else cls)(args=arguments, save_dir=Path(tempfile.mkdtemp(prefix="validation-")))
    if model.task == "classify":
        recorder = ClassRecorder(validator)
        validator(model=model.model)
        measured = recorder.results()
        fields = measured.validation()
        return {"overall_metrics": measured.metrics(), **{k: fields[k] for k in ("per_class_metrics", "confusion_matrix", "pr_curves")}}
    boxes = BoxRecorder(validator)
    metrics = platform_metrics(validator(model=model.model))
    metrics.pop("fitness", None)
    return {"overall_metrics": metrics, "per_class_metrics": per_class_metrics(validator), "confusion_matrix": boxes.confusion_matrix(), "pr_curves": pr_curves(validator)}


class NamedClassificationValidator(ClassificationValidator):
    """Reads the images with their paths, which the recorder wants."""

    def build_dataset(self, img_path: str) -> Any:
        dataset = super().build_dataset(img_path)
        dataset.__class__ = NamedSamples
        return dataset


if __name__ == "__main__":
    run(main, argv=[], fail=final_callback())
