"""What the tests of exports share: a picture, a subject, a description as metadata.json has it, a detector whose answers are known."""

from __future__ import annotations

import contextlib
import os
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch import nn
from trainer_vision.deploy import toolbox as toolboxes
from trainer_vision.deploy.subject import Objects, Preprocess, Subject
from trainer_vision.inference import Predictor

TOOLBOXES = Path(__file__).resolve().parent.parent.parent / ".tools" / "toolboxes"


def picture(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(height * 10007 + width)
    small = Image.fromarray(rng.integers(0, 256, (max(1, height // 9), max(1, width // 9), 3), dtype=np.uint8))
    return np.array(small.resize((width, height), Image.Resampling.BICUBIC))


def nothing(*_: Any) -> Any:
    raise AssertionError("not asked")


def subject(head: str, how: Preprocess, objects: Objects | None = None, model: nn.Module | None = None) -> Subject:
    return Subject(model or nn.Identity(), head, "test", "none", ["a", "b"], how, Predictor(["a", "b"], nothing, nothing, nothing), objects)


def described(how: Preprocess, whole: bool) -> dict[str, Any]:
    """As much of metadata.json as a reader needs of a classifier."""
    return {
        "model": {"task": "classify"}, "classes": [], "outputs": [], "input": {"layout": "HWC" if whole else "NCHW", "dtype": "float32", "shape": [-1, -1, 3] if whole else [1, 3, how.height, how.width]},
        "preprocess": {"included": whole, "resize": how.describe(), "scale": [1 / 255] * 3, "mean": [0.0] * 3, "std": [1.0] * 3}, "postprocess": {},
    }


class Corners(nn.Module):
    """A detector of what is not grey: of a white image it finds the image itself, whatever its size; with its corners as keypoints, or all of it as a mask."""

    def __init__(self, extra: str = "") -> None:
        super().__init__()
        self.extra = extra

    def forward(self, images: torch.Tensor) -> Any:
        inside = (images[:, 0] > 0.5).float()
        rows, columns = inside.amax(2), inside.amax(1)
        top, left = rows.argmax(1).float(), columns.argmax(1).float()
        high, wide, sure = rows.sum(1), columns.sum(1), torch.ones_like(top)
        box = [left + wide / 2, top + high / 2, wide, high, sure, 0 * sure]
        points = [left, top, 0.9 * sure, left + wide, top + high, 0.8 * sure] if self.extra == "points" else [sure] if self.extra == "mask" else []
        raw = torch.stack([*box, *points], 1).unsqueeze(2)
        return (raw, 10 * nn.functional.avg_pool2d(inside.unsqueeze(1), 4) - 5) if self.extra == "mask" else raw


@contextlib.contextmanager
def toolbox(test: unittest.TestCase, name: str) -> Iterator[None]:
    """The one that the agent's tests make."""
    with mock.patch.dict(os.environ, {"EXPORT_TOOLBOX_DIR": str(TOOLBOXES)}):
        if not (toolboxes.place(name) / "complete").is_file() and not os.environ.get("CI"):
            test.skipTest(f"there is no toolbox for {name} below {TOOLBOXES}: the exports of go test ./cmd/trainer-agent make it")
        yield
