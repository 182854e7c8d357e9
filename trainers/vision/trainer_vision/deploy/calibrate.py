"""What a quantisation is calibrated on, and what stays float where it costs too much. Needs numpy and Pillow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from trainer_sdk import Job, JobError

from ..images import read_image
from ..inference.samples import labelled
from .reader import Reader

IMAGES = 64  # of the training split
STEPS = (0.125, 0.25, 0.5)  # shares of the layers that stay float


def inputs(job: Job, reader: Reader) -> list[np.ndarray]:
    """Training images spread over the split, prepared as metadata.json says."""
    if job.dataset_dir == Path() or not job.dataset_dir.is_dir():
        raise JobError("QUANTIZATION_TYPE=static is calibrated on training images: set VALIDATION_DATASET_ID, or QUANTIZATION_TYPE=dynamic")
    samples = labelled(job, "train", "VALIDATION_DATASET_ID")
    return [reader.smaller(read_image(sample.path)) for sample in samples[:: max(1, len(samples) // IMAGES)][:IMAGES]]


def raised(layers: Sequence[str], head: Sequence[str]) -> Iterator[list[str]]:
    """The parts that stay float, more each time and never all: the head, then the first layer and a growing share of the last ones."""
    if not layers:
        return
    first = list(head) or [layers[-1]]
    steps = [first, *([*first, layers[0], *layers[-max(1, round(share * len(layers))) :]] for share in STEPS)]
    kept: list[str] = []
    for parts in map(outermost, steps):
        if parts != kept and not all(within(layer, parts) for layer in layers):
            yield parts
        kept = parts


def outermost(parts: Sequence[str]) -> list[str]:
    """Without those that are the same as another one, or within it."""
    return [part for part in dict.fromkeys(parts) if not within(part, [other for other in parts if other != part])]


def within(layer: str, parts: Sequence[str]) -> bool:
    """Whether a layer is one of these parts of the model, or lies in one."""
    return any(layer == part or layer.startswith(f"{part}.") for part in parts)
