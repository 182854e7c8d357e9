"""The original and the exported model through the one evaluator of test runs: the same images, the same thresholds, each with its own preprocessing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from trainer_sdk import PRIMARY_METRICS, Job, JobError

from ..images import read_image
from ..inference import Predictor
from ..inference.measure import measure_of
from ..inference.predictor import finite
from ..inference.samples import check_names, labelled
from . import parity

SPLIT = "val"
VARIABLE = "VALIDATION_DATASET_ID"


@dataclass(frozen=True)
class Validation:
    """The primary metric of both models on the validation split."""

    metric: str
    images: int
    original: float
    exported: float

    @property
    def drop(self) -> float:
        """Negative where the exported model is better."""
        return self.original - self.exported

    def passes(self, most: float) -> bool:
        return self.drop <= most  # a drop that is no number is none to accept

    def describe(self, most: float) -> dict[str, Any]:
        """`validation_metrics` of the callback."""
        return {"accuracy": self.exported, "original_accuracy": self.original, "accuracy_drop": self.drop, "passed": self.passes(most)}


def check(job: Job, original: Predictor) -> None:
    """What would make a validation fail is said before anything is converted."""
    if job.dataset_dir == Path() or not job.dataset_dir.is_dir():
        raise JobError("ENABLE_VALIDATION needs a dataset: set VALIDATION_DATASET_ID")
    check_names(job, original.names[: original.classes], VARIABLE)


def measured(job: Job, model: Predictor, original: Predictor, advance: Callable[[int, int], None]) -> tuple[float, int]:
    """The primary metric of a model on the split, with the labels as the trainer reads them, and how many images it holds."""
    task = original.task or job.task
    threshold = original.settings.get("confidence", 0.0)
    samples = labelled(job, SPLIT, VARIABLE, original.names)
    found = measure_of(task, original.names, threshold, original.classes)
    for number, sample in enumerate(samples, 1):
        image = read_image(sample.path)
        answer = parity.answer(model, image)
        if not finite(answer):
            raise JobError(f"the {'original' if model is original else 'exported'} model's answer to {sample.name} is NaN or infinite, so there is nothing to measure")
        found.add(sample.name, answer, answer, truth(original, sample.path, sample.label, image), image.size)
        advance(number, len(samples))
    value = found.result().overall_metrics[PRIMARY_METRICS.get(task, "accuracy")]
    return float(value), len(samples)


def truth(original: Predictor, path: Path, label: int | None, image: Image.Image) -> Any:
    if label is not None:
        return label
    if original.truth is None:
        raise JobError("this trainer's predictor reads no labels (Predictor.truth), so its exports cannot be validated")
    return original.truth(path, *image.size)


def compare(metric: str, original: tuple[float, int], exported: tuple[float, int]) -> Validation:
    for whose, value in (("original", original[0]), ("exported", exported[0])):
        if not math.isfinite(value):
            raise JobError(f"the {whose} model's {metric} on the {SPLIT} split is {value}: it holds no label, or the model answers with NaN")
    if original[0] == 0:
        raise JobError(f"{VARIABLE}: the original model's {metric} on the {SPLIT} split is 0, so that no export could lose anything. "
                       "Is it the right dataset, is CONFIDENCE_THRESHOLD too high, or has the model hardly been trained? ENABLE_VALIDATION=false exports it all the same")
    return Validation(metric, original[1], original[0], exported[0])
