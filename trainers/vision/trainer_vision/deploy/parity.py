"""How far an exported model's answers are from the trainer's own, on the same images. Needs numpy.

Objects are compared after suppression, matched by class and overlap: raw rows of equal meaning may stand in another order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..inference import Mask, Objects, Predictor
from ..inference.matching import match, overlaps


@dataclass(frozen=True)
class Tolerance:
    """What counts as the same answer."""

    pixels: float  # of a box's corner or a keypoint, in pixels of the model's input
    score: float
    probability: float


EXACT = Tolerance(0.1, 5e-3, 5e-3)  # most of it is the last bit of a resized image, which no two libraries round alike
HALF = Tolerance(0.5, 1e-2, 1e-2)


@dataclass
class Parity:
    """Worst differences over the images, and how many objects were compared."""

    images: int = 0
    objects: int = 0
    unmatched: int = 0  # found by one of the two only, and not at the threshold's edge
    pixels: float = 0.0
    score: float = 0.0
    probability: float = 0.0
    pixel_agreement: float = 1.0  # of masks of classes: the smallest share of pixels of one class in both

    def describe(self) -> dict[str, Any]:
        return asdict(self)

    def nonsense(self) -> str | None:
        """What no precision explains."""
        return None if all(map(math.isfinite, (self.pixels, self.score, self.probability))) else "it answers with NaN"

    def fault(self, allowed: Tolerance) -> str | None:
        """What is too far apart, in words."""
        if self.unmatched:
            return f"{self.unmatched} objects were found by one of the two models only"
        for name, value, most in (("pixels", self.pixels, allowed.pixels), ("of a score", self.score, allowed.score), ("of a probability", self.probability, allowed.probability)):
            if not value <= most:
                return f"they differ by {value:.4g} {name}, more than {most}"
        return None if self.pixel_agreement >= 0.99 else f"only {self.pixel_agreement:.1%} of an image's pixels have one class in both"


def answers(model: Predictor, images: Sequence[Image.Image]) -> list[Any]:
    found = []
    for image in images:
        prepared = model.prepare(model.from_picture(image))
        found += model.decode(model.infer([prepared]), [image.size], False)
    return found


def compare(original: Sequence[Any], exported: Sequence[Any], images: Sequence[Image.Image], side: int, threshold: float, edge: float) -> Parity:
    """`side` is the longer one of the model's input; within `edge` of the threshold an object may be missing in one."""
    parity = Parity(images=len(images))
    for truth, found, image in zip(original, exported, images, strict=True):
        if isinstance(truth, Objects):
            objects(parity, truth, found, min(1.0, side / max(image.size)), threshold + edge)
        elif isinstance(truth, Mask):
            parity.pixel_agreement = min(parity.pixel_agreement, float((truth.classes == found.classes).mean()))
        else:
            parity.probability = worse(parity.probability, np.abs(truth - found))
    return parity


def objects(parity: Parity, truth: Objects, found: Objects, scale: float, sure: float) -> None:
    pairs = match(found, truth, overlaps(found.boxes, truth.boxes))
    alone = [*found.scores[pairs < 0], *np.delete(truth.scores, pairs[pairs >= 0])]
    parity.unmatched += sum(score > sure for score in alone)
    a, b = np.flatnonzero(pairs >= 0), pairs[pairs >= 0]
    parity.objects += len(a)
    parity.pixels = worse(parity.pixels, scale * np.abs(found.boxes[a] - truth.boxes[b]))
    parity.score = worse(parity.score, np.abs(found.scores[a] - truth.scores[b]))
    if found.keypoints is not None and truth.keypoints is not None:
        parity.pixels = worse(parity.pixels, scale * np.abs(found.keypoints[a, :, :2] - truth.keypoints[b, :, :2]))


def raw(parity: Parity, truth: np.ndarray, found: np.ndarray, classes: int, threshold: float) -> None:
    """Of an answer that nobody has suppressed yet, (1, 4 + classes + extra, n): every box that is sure."""
    sure = truth[0, 4 : 4 + classes].max(0) > threshold
    parity.images += 1
    parity.objects += int(sure.sum())
    parity.pixels = worse(parity.pixels, np.abs(truth - found)[0, :4])
    parity.score = worse(parity.score, np.abs(truth - found)[0, 4 : 4 + classes])


def worse(before: float, values: np.ndarray) -> float:
    """NaN is the worst there is."""
    now = float(values.max(initial=0))
    return math.inf if math.isnan(now) else max(before, now)
