"""What a trainer gives: its model as a few functions, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..images import read_image


@dataclass(frozen=True)
class Objects:
    """The objects of one image: those that a model found, or those that are labelled (with scores of 1)."""

    boxes: np.ndarray  # (n, 4) x1, y1, x2, y2 in pixels of the displayed image
    classes: np.ndarray  # (n) class indices
    scores: np.ndarray  # (n)
    polygons: Sequence[np.ndarray] | None = None  # of each object its outline (k, 2) in pixels
    keypoints: np.ndarray | None = None  # (n, k, 3) x, y in pixels, and a confidence or visibility
    # Of each object its pixels (coco.runs), at the model's size: a test run measures them in place of outlines, which run through the
    # middle of a mask's outermost pixels and lose half of each.
    pixels: Sequence[dict[str, Any]] | None = None
    crowds: Objects | None = None  # beside labelled objects: groups without a box for each, in which nothing that is found is wrong

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, kept: np.ndarray) -> Objects:
        """Those at the given indices, in that order."""
        return replace(
            self, boxes=self.boxes[kept], classes=self.classes[kept], scores=self.scores[kept],
            polygons=None if self.polygons is None else [self.polygons[i] for i in kept],
            keypoints=None if self.keypoints is None else self.keypoints[kept],
            pixels=None if self.pixels is None else [self.pixels[i] for i in kept],
        )


@dataclass(frozen=True)
class Mask:
    """The class of every pixel of one image, (h, w) indices; of a labelled one a negative index counts nowhere."""

    classes: np.ndarray
    finite: bool = True  # whether the scores that it was made of are numbers: the largest of NaN is some class


Answer = Objects | Mask | np.ndarray
"""What is known of one image: its objects, its mask, or of a classifier the probability of every class."""


def finite(answer: Answer) -> bool:
    """Whether an answer is one: the largest of NaN is the first class, and nothing is found where every score is NaN."""
    if isinstance(answer, Mask):
        return answer.finite
    if not isinstance(answer, Objects):
        return bool(np.isfinite(answer).all())
    numbers = [answer.boxes, answer.scores, *(answer.polygons or ())]
    return all(bool(np.isfinite(n).all()) for n in (numbers if answer.keypoints is None else [*numbers, answer.keypoints]))


def same_shape(prepared: Any) -> Hashable:
    return tuple(prepared.shape)


def picture_of(image: Any) -> Image.Image:
    return image


@dataclass(frozen=True)
class Predictor:
    """A trained model. `read` and `prepare` run in several threads at once; the others in one."""

    names: Sequence[str]  # of the classes, in index order
    prepare: Callable[[Any], Any]  # an image as it was read → one input of the model
    infer: Callable[[list[Any]], Any]  # inputs of one shape → the model's raw answer, computed to its end
    # (raw answer, width and height of each image, measured) → an answer an image. Measured asks for every detection down to
    # a confidence near zero, from which precision over recall is computed.
    decode: Callable[[Any, list[tuple[int, int]], bool], Sequence[Answer]]
    read: Callable[[Path], Any] = read_image
    picture: Callable[[Any], Image.Image] = picture_of  # an image as it was read → for drawing
    from_picture: Callable[[Image.Image], Any] = picture_of  # the way back: explanations change pictures
    shape: Callable[[Any], Hashable] = same_shape  # inputs of equal shape go through the model together
    truth: Callable[[Path, int, int], Objects | Mask] | None = None  # (prepared image, width, height) → what is labelled on it
    # How much each of some found outlines, (k, 2) points each, covers each labelled one, 0 to 1, where boxes do not tell: rotated boxes.
    # None: the IoU of boxes.
    overlap: Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], np.ndarray] | None = None
    classes: int | None = None  # how many of the names are the dataset's, where the model tells apart a background too
    task: str = ""  # what the model does, where the checkpoint says it; else the job's TASK_TYPE
    differentiable: Callable[[], Any] | None = None  # explain.gradients.Differentiable, of a torch model
    settings: Mapping[str, Any] = field(default_factory=dict)  # what was chosen: thresholds, image size
