"""Metrics of semantic segmentation in the platform's words, from true and predicted masks. Needs numpy. It does no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .metrics import bounded

MAX_NAMED = 100  # classes with an IoU of their own among the metrics; the payload stays bounded

Pairs = tuple[np.ndarray, np.ndarray]
"""What an image adds to the confusion matrix: cells (true * outputs + predicted), and the pixels of each."""


@dataclass(frozen=True)
class MaskResults:
    """The results of one validation run. `names` are what the model tells apart, in index order."""

    names: Sequence[str]
    classes: int  # of the dataset; the background, where there is one, comes behind them
    rows: dict[str, Pairs] = field(default_factory=dict)  # by file: one that is seen twice, as a distributed sampler pads, counts once

    def add(self, file: str, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Count an image; a pixel whose truth is negative counts nowhere."""
        counted = truth >= 0
        cells, pixels = np.unique(truth[counted].astype(np.int64) * len(self.names) + predicted[counted], return_counts=True)
        self.rows[file] = (cells, pixels)

    def confusion_matrix(self) -> np.ndarray:
        """Pixels: rows are true classes, columns predicted ones; the background is the last of both."""
        return self._matrix(self.rows)

    def metrics(self) -> dict[str, float]:
        """mIoU is the mean over everything that the split or the predictions hold, the background included, as VOC counts it."""
        matrix = self.confusion_matrix()
        if not matrix.sum():
            return {}
        iou, hits, truth = _iou(matrix), matrix.diagonal(), matrix.sum(1)
        measured = {
            "mIoU": float(np.nanmean(iou)), "pixel_accuracy": float(hits.sum() / matrix.sum()),
            "mean_accuracy": float(np.mean(hits[truth > 0] / truth[truth > 0])),
        }
        return {**measured, **{f"IoU({name})": float(iou[i]) for i, name in enumerate(self.names[:MAX_NAMED]) if not np.isnan(iou[i])}}

    def per_class(self) -> list[dict[str, Any]]:
        """Precision and recall in pixels, which support counts too; a mask without scores has no average precision."""
        matrix = self.confusion_matrix()
        rows = []
        for i, name in enumerate(self.names[: self.classes]):
            support, claimed, hits = int(matrix[i].sum()), int(matrix[:, i].sum()), int(matrix[i, i])
            rows.append({
                "class_id": i, "class_name": name, "precision": hits / claimed if claimed else 0.0 if support else float("nan"),
                "recall": hits / support if support else float("nan"), "ap": float("nan"), "support": support,
            })
        return rows

    def images(self) -> list[dict[str, Any]]:
        entries = []
        for file in sorted(self.rows):
            matrix = self._matrix({file: self.rows[file]})
            iou, pixels = _iou(matrix), matrix.sum()
            shown = [i for i in range(len(self.names)) if not np.isnan(iou[i])]
            entries.append({
                "file_name": file, "mIoU": float(np.mean(iou[shown])) if shown else None,
                "pixel_accuracy": float(matrix.diagonal().sum() / pixels) if pixels else None,
                "classes": [{"class_id": i, "class_name": self.names[i], "iou": float(iou[i]), "pixels": int(matrix[i].sum())} for i in shown],
            })
        return entries

    def validation(self) -> dict[str, Any]:
        """The arguments of Platform.validation that follow from the results."""
        return {"per_class_metrics": self.per_class(), "confusion_matrix": bounded(self.confusion_matrix()), "num_images": len(self.rows)}

    def _matrix(self, rows: Mapping[str, Pairs]) -> np.ndarray:
        side = len(self.names)
        flat = np.zeros(side * side, np.int64)
        for cells, pixels in rows.values():
            flat[cells] += pixels
        return flat.reshape(side, side)


def _iou(matrix: np.ndarray) -> np.ndarray:
    """Of every class; NaN where neither truth nor prediction has it."""
    union = matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
    return np.divide(matrix.diagonal(), union, out=np.full(len(matrix), np.nan), where=union > 0)
