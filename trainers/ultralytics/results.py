"""Ultralytics' numbers in the platform's words: metric names, per-class metrics, curves, images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from trainer_vision.metrics import ClassifierResults, results
from trainer_vision.processes import gather
from ultralytics.data.dataset import ClassificationDataset
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.models.yolo.obb import OBBValidator
from ultralytics.utils import ops
from ultralytics.utils.metrics import ConfusionMatrix

CONFIDENCE = 0.25  # of the confusion matrix and of the per-image results
MAX_OBJECTS = 100  # in the per-image results
CURVE_POINTS = 101

_RENAMED = {"metrics/accuracy_top1": "accuracy", "metrics/accuracy_top5": "accuracy_top5"}


def metric_name(key: str) -> str:
    """Ultralytics' name of a value in the platform's: metrics/mAP50(B) → mAP50, val/box_loss → val_box_loss."""
    if key in _RENAMED:
        return _RENAMED[key]
    name = key.removeprefix("metrics/").removeprefix("train/").replace("val/", "val_")
    return name.removesuffix("(B)")


def platform_metrics(values: Mapping[str, Any]) -> dict[str, float]:
    return {metric_name(key): float(value) for key, value in values.items()}


def class_keys(names: Mapping[int, str]) -> dict[int, str]:
    """Class names that are unique, for use as keys."""
    repeated = {n for n in names.values() if list(names.values()).count(n) > 1}
    return {i: f"{n} ({i})" if n in repeated else n for i, n in names.items()}


def _head(metrics: Any) -> Any:
    """The metric of the task's own head: masks, keypoints, else boxes."""
    return getattr(metrics, "seg", None) or getattr(metrics, "pose", None) or metrics.box


def per_class_metrics(validator: Any) -> list[dict[str, Any]]:
    """Precision, recall and AP (50–95) of every class; null where the split holds none of it."""
    head = _head(validator.metrics)
    support = getattr(validator.metrics, "nt_per_class", None)
    rows = {int(c): (head.p[i], head.r[i], head.ap[i]) for i, c in enumerate(head.ap_class_index)}
    return [
        {
            "class_id": i, "class_name": name, "support": int(support[i]) if support is not None else 0,
            **dict(zip(("precision", "recall", "ap"), map(float, rows.get(i, (np.nan,) * 3)), strict=True)),
        }
        for i, name in validator.names.items()
    ]


def pr_curves(validator: Any) -> dict[str, dict[str, list[float]]]:
    """Precision over recall at IoU 0.5 for every class that the split holds."""
    head = _head(validator.metrics)
    if not len(head.ap_class_index):
        return {}
    keys = class_keys(validator.names)
    recall = np.linspace(0, 1, CURVE_POINTS)
    return {
        keys[int(c)]: {"precision": np.interp(recall, head.px, head.prec_values[i]).round(5).tolist(), "recall": recall.round(5).tolist()}
        for i, c in enumerate(head.ap_class_index)
    }


class BoxRecorder:
    """Watches a detection, segmentation or pose validator: its confusion matrix and its results image by image.

    Ultralytics fills its own matrix only while it draws plots, which it does in the last epoch alone.
    """

    def __init__(self, validator: Any) -> None:
        self.validator = validator
        self.images: list[dict[str, Any]] = []
        self.matrix: np.ndarray = np.zeros((0, 0))
        self._rotated = isinstance(validator, OBBValidator)
        self._prepare = (OBBValidator if self._rotated else DetectionValidator)._prepare_batch  # boxes only, without masks and keypoints
        self._update, self._init, self._gather = validator.update_metrics, validator.init_metrics, validator.gather_stats
        validator.update_metrics, validator.init_metrics, validator.gather_stats = self._updated, self._started, self._gathered

    def confusion_matrix(self) -> np.ndarray:
        """Rows are true classes, columns predicted ones; the last of both is the background."""
        return self.matrix.T

    def _started(self, model: Any) -> None:
        self._init(model)
        self.images = []
        self._confusion = ConfusionMatrix(names=self.validator.names)

    def _updated(self, preds: list[dict[str, torch.Tensor]], batch: dict[str, Any]) -> None:
        for i, pred in enumerate(preds):
            truth = self._prepare(self.validator, i, batch)
            shown = {k: pred[k][pred["conf"] > CONFIDENCE] for k in ("bboxes", "conf", "cls")}
            self._confusion.process_batch(shown, truth, conf=CONFIDENCE)
            self.images.append(self._describe(shown, truth))
        self._update(preds, batch)

    def _gathered(self) -> None:
        self._gather()
        self.images = [image for images in gather(self.images) for image in images]
        self.matrix = sum(gather(self._confusion.matrix))

    def _describe(self, pred: dict[str, torch.Tensor], truth: dict[str, Any]) -> dict[str, Any]:
        def boxes(source: dict[str, Any]) -> list[dict[str, Any]]:
            scaled = ops.scale_boxes(truth["imgsz"], source["bboxes"].clone(), truth["ori_shape"], truth["ratio_pad"], xywh=self._rotated)
            corners = ops.xywhr2xyxyxyxy(scaled) if self._rotated else None  # (n, 4, 2)
            upright = scaled if corners is None else torch.cat([corners.amin(1), corners.amax(1)], 1)
            found: list[dict[str, Any]] = [
                {"bbox": [round(v, 2) for v in box], "class_id": int(c), "class_name": self.validator.names[int(c)]}
                for box, c in zip(upright.tolist(), source["cls"].tolist(), strict=True)
            ]
            for item, points in zip(found, [] if corners is None else corners.flatten(1).tolist(), strict=False):
                item["segmentation"] = [[round(v, 2) for v in points]]
            for item, confidence in zip(found, source["conf"].tolist() if "conf" in source else [], strict=False):
                item["confidence"] = round(confidence, 5)
            return found[:MAX_OBJECTS]

        return {"file_name": Path(truth["im_file"]).name, "bbox_format": "xyxy", "predictions": boxes(pred), "ground_truth": boxes(truth)}


class ClassRecorder:
    """Watches a classification validator: the scores of every image, by its path."""

    def __init__(self, validator: Any) -> None:
        self.validator = validator
        self.rows: dict[str, tuple[int, np.ndarray]] = {}
        self._update, self._init, self._gather = validator.update_metrics, validator.init_metrics, validator.gather_stats
        validator.update_metrics, validator.init_metrics, validator.gather_stats = self._updated, self._started, self._gathered

    def results(self) -> ClassifierResults:
        names = [self.validator.names[i] for i in sorted(self.validator.names)]
        return results(names, self.rows)

    def _started(self, model: Any) -> None:
        self._init(model)
        self.rows = {}

    def _updated(self, preds: torch.Tensor, batch: dict[str, Any]) -> None:
        self._update(preds, batch)
        for file, truth, scores in zip(batch["im_file"], batch["cls"].tolist(), preds.float().cpu().numpy(), strict=True):
            self.rows[file] = (int(truth), scores)

    def _gathered(self) -> None:
        self._gather()
        for rows in gather(self.rows):
            self.rows.update(rows)


class NamedSamples(ClassificationDataset):
    """A classification dataset whose batches say which file each image is."""

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {**super().__getitem__(i), "im_file": self.samples[i][0]}
