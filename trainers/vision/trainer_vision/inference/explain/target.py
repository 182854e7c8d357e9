"""What is explained: one class of a picture, or one box. Needs numpy and Pillow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from trainer_sdk import JobError

from ..matching import overlaps
from ..predictor import Answer, Mask, Objects, Predictor, finite

MASKS = "ENABLE_XAI: masks of classes are not explained; the mask itself says which pixels are the class"

Score = Callable[[Sequence[np.ndarray]], np.ndarray]
"""How far pictures (h, w, 3 uint8 RGB) still are what was found in the original, each from 0 to 1."""


@dataclass(frozen=True)
class Target:
    """One class of the picture; of a detector with the box that is explained, x1, y1, x2, y2 in pixels."""

    index: int
    confidence: float
    box: np.ndarray | None = None


def targets(answer: Answer, most: int) -> list[Target]:
    """The most likely class, or the `most` boxes that the model is surest of."""
    if isinstance(answer, Mask):
        raise JobError(MASKS)
    if isinstance(answer, Objects):
        order = np.argsort(-answer.scores, kind="stable")[:most]
        return [Target(int(answer.classes[i]), float(answer.scores[i]), answer.boxes[i]) for i in order]
    best = int(np.argmax(answer))
    return [Target(best, float(answer[best]))]


def scorer(predictor: Predictor, target: Target, batch_size: int) -> Score:
    """By the model's answers alone, so it serves any model, an exported one too.

    Of a box it is D-RISE's similarity (Petsiuk et al. 2021): the best overlap with it times the class's confidence.
    """

    def score(pictures: Sequence[np.ndarray]) -> np.ndarray:
        found: list[float] = []
        for start in range(0, len(pictures), batch_size):
            part = pictures[start : start + batch_size]
            raw = predictor.infer([predictor.prepare(predictor.from_picture(Image.fromarray(p))) for p in part])
            answers = predictor.decode(raw, [(p.shape[1], p.shape[0]) for p in part], True)
            if not all(map(finite, answers)):
                raise ValueError("the model's answer to a part of the picture is NaN or infinite")
            found += [_similarity(a, target) for a in answers]
        return np.array(found)

    return score


def _similarity(answer: Answer, target: Target) -> float:
    if isinstance(answer, np.ndarray):
        return float(answer[target.index])
    assert isinstance(answer, Objects)
    same = answer.classes == target.index
    if target.box is None or not same.any():
        return 0.0
    return float((overlaps(answer.boxes[same], target.box[None])[:, 0] * answer.scores[same]).max())


def to_array(picture: Any) -> np.ndarray:
    return np.asarray(picture.convert("RGB"))
