"""How far a confidence is a probability, and the threshold that suits a class best. Needs numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

BINS = 15


def calibration(scores: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """The expected calibration error (Guo et al. 2017), with the bins of its diagram."""
    bins = []
    error = 0.0
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    for i in range(BINS):
        inside = place == i
        if not inside.any():
            continue
        confidence, accuracy, count = float(scores[inside].mean()), float(right[inside].mean()), int(inside.sum())
        error += abs(confidence - accuracy) * count / len(scores)
        bins.append({"confidence": round(confidence, 5), "accuracy": round(accuracy, 5), "count": count})
    return {"ece": error if len(scores) else None, "bins": bins}


def best_threshold(scores: np.ndarray, right: np.ndarray, support: int) -> dict[str, Any] | None:
    """The confidence from which on a class has its best F1, from every candidate's score and whether it is right."""
    if not support or not len(scores):
        return None
    order = np.argsort(-scores, kind="stable")
    hits = right[order].cumsum()
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + support)
    # Candidates of one score are accepted or refused together.
    last = np.append(np.diff(scores[order]) != 0, True)
    best = int(np.where(last, f1, -1).argmax())
    return {
        "threshold": round(float(scores[order][best]), 5), "f1": round(float(f1[best]), 5),
        "precision": round(float(hits[best] / (best + 1)), 5), "recall": round(float(hits[best] / support), 5),
    }
