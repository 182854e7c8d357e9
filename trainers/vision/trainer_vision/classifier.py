"""A trained classifier as predict.py and export.py use it: a trainer says how it loads its checkpoint. Needs torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from trainer_sdk import Job, JobError

from .folders import SplitImages
from .segmenter import Segmenter


@dataclass(frozen=True)
class Classifier:
    """A trained model, ready to classify."""

    model: nn.Module  # images (n, 3, h, w) → logits (n, classes)
    names: Sequence[str]
    transform: Callable[[Image.Image], torch.Tensor]
    size: int  # pixels, both sides
    mean: Sequence[float]
    std: Sequence[float]
    architecture: str


Load = Callable[[Job, Path, int | None], Classifier | Segmenter]
"""(job, checkpoint, image size or None for the one of the training) → what was trained, on the CPU."""


def labelled_samples(job: Job, classifier: Classifier, split: str) -> list[tuple[Path, int | None]]:
    images = SplitImages(job, split)
    names = [c.name for c in images.classes]
    if names != list(classifier.names):
        raise JobError(f"the checkpoint knows the classes {list(classifier.names)}, the dataset has {names}")
    return [(Path(path), label) for path, label in images.samples]
