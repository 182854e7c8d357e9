"""Metrics of a classifier in the platform's words, from true indices and scores. Needs numpy.

One place for every trainer that classifies, so that accuracy, curves and matrices mean the same
whichever framework computed the scores. It does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CURVE_POINTS = 101
MAX_CURVES = 100  # classes; the payload of a validation stays bounded
MAX_MATRIX = 1000  # classes in a confusion matrix; the relay takes 8 MiB, and one that is too large would take the metrics with it
TOP = 5
BLOCK = 1024  # images
TINY = 1e-12
ROUNDING = 1e-9  # recall is a fraction k/n, the grid a decimal one: 0.07 is not less than 7/100


@dataclass(frozen=True)
class ClassifierResults:
    """The results of one validation run: files, true class indices (n) and scores (n × classes)."""

    names: Sequence[str]
    files: Sequence[str]
    truth: np.ndarray
    scores: np.ndarray  # probabilities

    @property
    def predicted(self) -> np.ndarray:
        return self.scores.argmax(1) if len(self.scores) else np.zeros(0, dtype=int)

    def confusion_matrix(self) -> np.ndarray:
        """Rows are true classes, columns predicted ones."""
        n = len(self.names)
        return np.bincount(self.truth * n + self.predicted, minlength=n * n).reshape(n, n)

    def metrics(self) -> dict[str, float]:
        """accuracy, accuracy_top5, and precision, recall and F1 as means over the classes present."""
        if not len(self.truth):
            return {}
        rows = [row for row in self.per_class() if row["support"]]
        return {
            "accuracy": float((self.predicted == self.truth).mean()),
            "accuracy_top5": float(self._among_best().mean()),
            "precision": float(np.mean([row["precision"] for row in rows])),
            "recall": float(np.mean([row["recall"] for row in rows])),
            "f1": float(np.mean([row["f1"] for row in rows])),
        }

    def cross_entropy(self) -> float:
        """The mean of -log(probability of the true class), whatever loss the training had."""
        if not len(self.truth):
            return float("nan")
        return float(-np.log(np.maximum(self.scores[np.arange(len(self.truth)), self.truth].astype(float), TINY)).mean())

    def per_class(self) -> list[dict[str, Any]]:
        """Precision, recall, F1 and average precision of every class; null where there is nothing to measure."""
        matrix = self.confusion_matrix()
        rows = []
        for i, name in enumerate(self.names):
            support, claimed, hits = int(matrix[i].sum()), int(matrix[:, i].sum()), int(matrix[i, i])
            precision = hits / claimed if claimed else 0.0
            recall = hits / support if support else float("nan")
            rows.append({
                "class_id": i, "class_name": name, "precision": precision, "recall": recall,
                "f1": 2 * hits / (support + claimed) if support else float("nan"),
                "ap": self._average_precision(i) if support else float("nan"), "support": support,
            })
        return rows

    def pr_curves(self) -> dict[str, dict[str, list[float]]]:
        """Precision over recall of every class present, at most MAX_CURVES of them."""
        grid = np.linspace(0, 1, CURVE_POINTS)
        curves: dict[str, dict[str, list[float]]] = {}
        for i in np.unique(self.truth)[:MAX_CURVES]:
            precision, recall = self._curve(int(i))
            envelope = np.maximum.accumulate(precision[::-1])[::-1]
            at = np.minimum(np.searchsorted(recall, grid - ROUNDING), len(recall) - 1)
            name = self.names[i] if list(self.names).count(self.names[i]) == 1 else f"{self.names[i]} ({i})"
            curves[name] = {"precision": envelope[at].round(5).tolist(), "recall": grid.round(5).tolist()}
        return curves

    def images(self) -> list[dict[str, Any]]:
        """One entry an image, with its five most likely classes."""
        return [
            {"file_name": file, "ground_truth": entry(self.names, int(true)), "predictions": prediction(self.names, row), "correct": bool(row.argmax() == true)}
            for file, true, row in zip(self.files, self.truth, self.scores, strict=True)
        ]

    def validation(self) -> dict[str, Any]:
        """The arguments of Platform.validation that follow from the results."""
        return {
            "per_class_metrics": [{k: v for k, v in row.items() if k != "f1"} for row in self.per_class()],
            "confusion_matrix": bounded(self.confusion_matrix()),
            "pr_curves": self.pr_curves(),
            "num_images": len(self.truth),
        }

    def _among_best(self) -> np.ndarray:
        """Whether the true class is one of the five best. Some images at a time: an order of all scores would take three times their memory."""
        blocks = range(0, len(self.truth), BLOCK)
        best = [np.argsort(-self.scores[i : i + BLOCK], axis=1, kind="stable")[:, :TOP] for i in blocks]
        return (np.concatenate(best) == self.truth[:, None]).any(1)

    def _curve(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(-self.scores[:, index], kind="stable")
        hits = (self.truth[order] == index).cumsum()
        return hits / np.arange(1, len(order) + 1), hits / max(int(hits[-1]), 1)

    def _average_precision(self, index: int) -> float:
        """The mean of the precision at every true image in the order of scores (no interpolation)."""
        precision, recall = self._curve(index)
        return float((np.diff(recall, prepend=0) * precision).sum())


def bounded(matrix: np.ndarray) -> list[list[int]] | None:
    """A confusion matrix for a callback; None where it has no room for so many classes."""
    return matrix.astype(int).tolist() if len(matrix) <= MAX_MATRIX + 1 else None  # one more for the background


def entry(names: Sequence[str], index: int, score: float | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"class_id": index, "class_name": names[index]}
    return found if score is None else {**found, "confidence": round(score, 5)}


def prediction(names: Sequence[str], scores: np.ndarray) -> dict[str, Any]:
    """The most likely class of one image and the five best."""
    best = np.argsort(-scores)[:TOP]
    return {**entry(names, int(best[0]), float(scores[best[0]])), "top5": [entry(names, int(i), float(scores[i])) for i in best]}


def results(names: Sequence[str], rows: Mapping[str, tuple[int, Sequence[float] | np.ndarray]]) -> ClassifierResults:
    """Results from {file: (true index, scores)}: a file seen twice, as a distributed sampler pads, counts once.

    Scores are best given as arrays of numpy: a list of Python's numbers takes eight times their memory.
    """
    files = sorted(rows)
    truth = np.array([rows[f][0] for f in files], dtype=int)
    scores = np.array([rows[f][1] for f in files]).reshape(len(files), len(names))
    return ClassifierResults(names, files, truth, scores)
