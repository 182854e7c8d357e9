"""A trained classifier as predict.py and export.py use it: a trainer says how it loads its checkpoint. Needs torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from trainer_sdk import Job

from .deploy.subject import Preprocess
from .segmenter import Segmenter


@dataclass(frozen=True)
class Classifier:
    """A trained model, ready to classify."""

    model: nn.Module  # images (n, 3, h, w) → logits (n, classes)
    names: Sequence[str]
    transform: Callable[[Image.Image], torch.Tensor]
    preprocess: Preprocess  # what `transform` does, in words of metadata.json
    architecture: str

    @property
    def size(self) -> int:
        """Pixels, both sides."""
        return self.preprocess.height

    @property
    def mean(self) -> Sequence[float]:
        return self.preprocess.mean

    @property
    def std(self) -> Sequence[float]:
        return self.preprocess.std


Load = Callable[[Job, Path, int | None], Classifier | Segmenter]
"""(job, checkpoint, image size or None for the one of the training) → what was trained, on the CPU."""
