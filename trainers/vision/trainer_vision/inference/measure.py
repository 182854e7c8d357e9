"""The one evaluator of test runs: what a trainer's answers are worth against the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from trainer_sdk import JobError

from ..metrics import MAX_CURVES, ClassifierResults, bounded
from .calibration import best_threshold, calibration
from .coco import MOST, CocoMetrics, Overlap, Precision, annotations
from .matching import KINDS, confusion, errors, in_crowds, match, outlines, overlaps
from .predictor import Mask, Objects

TOGETHER = 256  # images that are compared at once
HEADS = {"object_detection": "", "instance_segmentation": "M", "pose_estimation": "P"}


@dataclass(frozen=True)
class Measured:
    """A test run's metrics: the fields of its callback, and what only results.json has."""

    overall_metrics: dict[str, float]
    per_class_metrics: list[dict[str, Any]]
    confusion_matrix: list[list[int]] | None  # None of more classes than a callback has room for
    pr_curves: dict[str, dict[str, list[float]]]
    more: dict[str, Any] = field(default_factory=dict)

    def callback(self) -> dict[str, Any]:
        return {"overall_metrics": self.overall_metrics, "per_class_metrics": self.per_class_metrics, "confusion_matrix": self.confusion_matrix, "pr_curves": self.pr_curves}


class Measure(Protocol):
    def add(self, name: str, shown: Any, every: Any, truth: Any, size: tuple[int, int]) -> tuple[float, dict[str, Any]]:
        """Take one image. Answers how bad it is, for the report, and what its record says of it."""

    def result(self) -> Measured: ...


class ClassMeasure:
    """Of a classifier: every answer is a vector of probabilities."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.rows: list[tuple[str, int, np.ndarray]] = []

    def add(self, name: str, shown: np.ndarray, every: np.ndarray, truth: int, size: tuple[int, int]) -> tuple[float, dict[str, Any]]:
        self.rows.append((name, truth, np.asarray(shown, dtype=np.float32)))
        top = int(shown.argmax())
        return 1 - float(shown[truth]), {"correct": top == truth, "true_class_confidence": round(float(shown[truth]), 5)}

    def result(self) -> Measured:
        truth = np.array([row[1] for row in self.rows], dtype=int)
        scores = np.stack([row[2] for row in self.rows]) if self.rows else np.zeros((0, len(self.names)))
        found = ClassifierResults(self.names, [row[0] for row in self.rows], truth, scores)
        fields = found.validation()
        reliable = calibration(scores.max(1, initial=0).astype(float), found.predicted == truth)
        thresholds = {
            name: best_threshold(scores[:, i], truth == i, int((truth == i).sum())) for i, name in enumerate(unique(self.names))
        }
        return Measured(
            {**found.metrics(), **({"ece": reliable["ece"]} if reliable["ece"] is not None else {})},
            fields["per_class_metrics"], fields["confusion_matrix"], fields["pr_curves"],
            {"calibration": reliable, "best_thresholds": thresholds, "log_loss": found.cross_entropy()},
        )


class ObjectMeasure:
    """Of a detector, of outlines and of keypoints. `overlap` is Predictor.overlap."""

    def __init__(self, names: Sequence[str], task: str, threshold: float, overlap: Overlap | None = None) -> None:
        self.names, self.head, self.threshold, self.overlap = names, HEADS[task], threshold, overlap
        self.boxes = CocoMetrics(len(names), "B", overlap)
        self.own = CocoMetrics(len(names), self.head) if self.head else self.boxes
        self.count = 0
        self.waiting: tuple[list[dict[str, Any]], ...] = ([], [], [])  # images, annotations, detections that are still to compare
        self.matrix = np.zeros((len(names) + 1, len(names) + 1), dtype=int)
        self.kinds = dict.fromkeys(KINDS, 0)
        self.counts = np.zeros((len(names), 3), dtype=int)  # right, found, labelled at the job's threshold
        self.scores: list[np.ndarray] = []  # of every detection: score, class, right

    def add(self, name: str, shown: Objects, every: Objects, truth: Objects, size: tuple[int, int]) -> tuple[float, dict[str, Any]]:
        self.count += 1
        width, height = size
        if every.pixels:
            height, width = every.pixels[0]["size"]
        every = every.take(np.argsort(-every.scores, kind="stable")[:MOST])
        if self.overlap:
            truth, every = (replace(known, polygons=outlines(known)) for known in (truth, every))
        images, labelled, detected = self.waiting
        images.append({"id": self.count, "file_name": name, "width": width, "height": height})
        labelled += annotations(outlined(truth, width / size[0], height / size[1]), self.count, False, len(labelled) + 1)
        if truth.crowds is not None:
            labelled += annotations(truth.crowds, self.count, False, len(labelled) + 1, crowd=1)
        detected += annotations(every, self.count, True)
        if len(images) == TOGETHER:
            self._compare()
        every = every.take(self._counted(every, truth))
        pairs = match(every, truth, self._overlaps(every, truth))
        self.scores.append(np.stack([every.scores, every.classes, pairs >= 0]).astype(np.float32))
        return self._at_threshold(shown, truth)

    def _compare(self) -> None:
        for metrics in {id(m): m for m in (self.boxes, self.own)}.values():
            metrics.add(*self.waiting)
        self.waiting = ([], [], [])

    def _overlaps(self, found: Objects, labelled: Objects) -> np.ndarray:
        if self.overlap is None or not len(found) or not len(labelled):
            return overlaps(found.boxes, labelled.boxes)
        return self.overlap(outlines(found), outlines(labelled))

    def _counted(self, found: Objects, truth: Objects) -> np.ndarray:
        """The indices of what counts: something in a crowd that is no labelled object is neither right nor wrong, as in COCO."""
        if not truth.crowds:
            return np.arange(len(found))
        return np.flatnonzero((match(found, truth, self._overlaps(found, truth)) >= 0) | ~in_crowds(found, truth.crowds))

    def _at_threshold(self, shown: Objects, truth: Objects) -> tuple[float, dict[str, Any]]:
        known: list[str | None] = [None] * len(shown)
        kept = self._counted(shown, truth)
        shown = shown.take(kept)
        overlap = self._overlaps(shown, truth)
        pairs = match(shown, truth, overlap)
        self.matrix += confusion(shown, truth, overlap, len(self.names))
        kinds, missed = errors(shown, truth, overlap, pairs)
        for i, kind in zip(kept, kinds, strict=True):
            known[i] = kind
            if kind:
                self.kinds[kind] += 1
        self.kinds["missed"] += len(missed)
        np.add.at(self.counts[:, 0], shown.classes[pairs >= 0], 1)
        np.add.at(self.counts[:, 1], shown.classes, 1)
        np.add.at(self.counts[:, 2], truth.classes, 1)
        wrong = sum(kind is not None for kind in kinds) + len(missed)
        return wrong / max(len(shown) + len(missed), 1), {"errors": known, "missed": missed}

    def result(self) -> Measured:
        check_any_labelled(self.count, bool(self.counts[:, 2].any()))
        self._compare()
        boxes = self.boxes.precision()
        head = self.own.precision() if self.head else boxes
        right, found, labelled = self.counts.T
        precision = np.where(found > 0, right / np.maximum(found, 1), 0.0)
        recall = np.where(labelled > 0, right / np.maximum(labelled, 1), np.nan)
        present = labelled > 0
        ap = head.ap()
        keys = unique(self.names)
        scores, classes, hits = np.concatenate(self.scores, axis=1) if self.scores else np.zeros((3, 0))
        reliable = calibration(scores[scores >= self.threshold], hits[scores >= self.threshold])
        return Measured(
            self._overall(boxes, head, precision[present], recall[present], reliable),
            [{"class_id": i, "class_name": name, "precision": precision[i], "recall": recall[i], "ap": ap[i], "support": int(labelled[i])} for i, name in enumerate(self.names)],
            bounded(self.matrix), {keys[i]: head.curve(i) for i in np.flatnonzero(present)[:MAX_CURVES].tolist()},
            {
                "threshold": self.threshold, "calibration": reliable, "error_kinds": self.kinds,
                "best_thresholds": {keys[i]: best_threshold(scores[classes == i], hits[classes == i], int(labelled[i])) for i in range(len(keys))},
            },
        )

    def _overall(self, boxes: Precision, head: Precision, precision: np.ndarray, recall: np.ndarray, reliable: dict[str, Any]) -> dict[str, float]:
        def mean(values: np.ndarray) -> float:
            values = values[~np.isnan(values)]
            return float(values.mean()) if len(values) else float("nan")

        metrics = {"mAP50-95": mean(boxes.ap()), "mAP50": mean(boxes.ap(0))}
        if self.head:
            metrics |= {f"mAP50-95({self.head})": mean(head.ap()), f"mAP50({self.head})": mean(head.ap(0))}
        p, r = mean(precision), mean(recall)
        metrics |= {"precision": p, "recall": r, "f1": 2 * p * r / (p + r) if p + r else 0.0}
        return metrics | ({"ece": reliable["ece"]} if reliable["ece"] is not None else {})


def outlined(truth: Objects, across: float, down: float) -> Objects:
    """With the outlines at another size, the one at which pixels are compared."""
    if truth.polygons is None or across == down == 1:
        return truth
    return replace(truth, polygons=[ring * np.array([across, down]) for ring in truth.polygons])


class MaskMeasure:
    """Of masks of classes: mIoU as the trainings measure it."""

    def __init__(self, names: Sequence[str], classes: int) -> None:
        from ..mask_metrics import MaskResults

        self.found = MaskResults(names, classes)

    def add(self, name: str, shown: Mask, every: Mask, truth: Mask, size: tuple[int, int]) -> tuple[float, dict[str, Any]]:
        counted = truth.classes >= 0
        self.found.add(str(len(self.found.rows)), truth.classes, shown.classes)  # names of several folders may be equal
        right = float((truth.classes == shown.classes)[counted].mean()) if counted.any() else 1.0
        return 1 - right, {"pixel_accuracy": round(right, 5)}

    def result(self) -> Measured:
        matrix = self.found.confusion_matrix()
        check_any_labelled(len(self.found.rows), bool(matrix[: self.found.classes].any()))  # rows are the labels, the background behind them
        return Measured(self.found.metrics(), self.found.per_class(), bounded(matrix), {})


def check_any_labelled(images: int, labelled: bool) -> None:
    """Of nothing but background a model that finds nothing has all right, which says nothing of it."""
    if not labelled:
        raise JobError(f"none of the {images} images of the split has a labelled object: there is nothing to measure against")


def unique(names: Sequence[str]) -> list[str]:
    """Names that can be keys."""
    return [name if list(names).count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names)]


def measure_of(task: str, names: Sequence[str], threshold: float, classes: int | None = None, overlap: Overlap | None = None) -> Measure:
    if task == "semantic_segmentation":
        return MaskMeasure(names, len(names) if classes is None else classes)
    return ObjectMeasure(names, task, threshold, overlap) if task in HEADS else ClassMeasure(names)
