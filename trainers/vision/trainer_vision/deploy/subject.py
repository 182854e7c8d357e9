"""What a trainer says of a trained model so that it can be exported. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ..inference import Predictor

LETTERBOX, STRETCH, SHORTEST_CROP = "letterbox", "stretch", "shortest_crop"
DETECT, SEGMENT, POSE, OBB, CLASSIFY, SEMANTIC = "detect", "segment", "pose", "obb", "classify", "semantic"
OBJECTS = (DETECT, SEGMENT, POSE)
STATISTICS = ("running_mean", "running_var")  # of batch norms


@dataclass(frozen=True)
class Preprocess:
    """How an upright RGB image becomes the model's input: (pixel / 255 - mean) / std on height × width pixels."""

    mode: str  # letterbox, stretch or shortest_crop
    height: int
    width: int
    shortest: int | None = None  # of shortest_crop: the shorter side before the crop
    kernel: str = "bilinear"  # or bicubic
    antialias: bool = False  # as Pillow does; without it as OpenCV does
    mean: Sequence[float] = (0.0, 0.0, 0.0)
    std: Sequence[float] = (1.0, 1.0, 1.0)
    pad_value: int = 114

    def describe(self) -> dict[str, Any]:
        """`resize` of metadata.json."""
        return {
            "mode": self.mode, "width": self.width, "height": self.height, "resize_shortest": self.shortest, "kernel": self.kernel,
            "half_pixel": True, "antialias": self.antialias, "pad_value": self.pad_value, "pad_side": "center",
        }


@dataclass(frozen=True)
class Objects:
    """What a detector's raw answer is: (b, 4 + classes + extra, anchors) of cx cy w h, or rows of an end-to-end head.

    A model that ends end to end answers (b, n, 6 + extra): x1 y1 x2 y2, score, class; nothing is left to suppress.
    """

    confidence: float
    iou: float
    most: int = 300
    end_to_end: bool = False
    coefficients: int = 0  # of a mask, behind the scores
    keypoints: tuple[int, int] | None = None  # how many, and of how many values


@dataclass(frozen=True)
class Subject:
    """A trained model on the CPU, ready to be exported."""

    model: nn.Module  # (b, 3, h, w) → logits, or the raw answer of a detector, with the prototypes of masks as a second one
    head: str  # detect, segment, pose, obb, classify or semantic
    framework: str
    architecture: str
    names: Sequence[str]
    preprocess: Preprocess
    predictor: Predictor  # the trainer's own way, at the size and the thresholds of the export
    objects: Objects | None = None
    sensitive: Sequence[str] = field(default_factory=tuple)  # modules below `model` that stay float first, when quantisation costs too much


def broken(model: nn.Module) -> str | None:
    """Why a model's weights are of no use, if so. What they answer does not tell it: a detector whose scores are NaN finds nothing."""
    weights = [*model.named_parameters(), *((name, one) for name, one in model.named_buffers() if name.endswith(STATISTICS))]
    bad = [name for name, one in weights if not bool(torch.isfinite(one).all())]
    return f"{len(bad)} of {len(weights)} weights of the checkpoint hold NaN or infinity, the first is {bad[0]}: export a checkpoint of an earlier epoch" if bad else None
