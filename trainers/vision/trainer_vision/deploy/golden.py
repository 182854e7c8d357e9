"""The images on which an export is compared with the trainer's own predictions, and the one with its answer for the package. Needs numpy and Pillow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from trainer_sdk import Job, clean

from ..images import read_image
from ..inference import Objects
from ..inference.samples import labelled
from . import parity

MOST = 8
LARGEST = 1280  # pixels of the longer side of the package's image
TOLERANCE = {"pixels": 0.5, "score": 0.01, "probability": 0.01, "mask_iou": 0.9}  # of one file in two runtimes
NARROW = (1, 1000), (333, 17)


def images(job: Job, side: int) -> list[Image.Image]:
    """Some of the validation split, spread over it, else drawn ones; and always two that no camera makes."""
    found = [read_image(path) for path in given(job)] or [card(side, seed) for seed in range(MOST - len(NARROW))]
    return [*found, *(noise(width, height) for height, width in NARROW)]


def given(job: Job) -> list[Path]:
    if job.dataset_dir == Path() or not job.dataset_dir.is_dir():
        return []
    samples = labelled(job, "val", "VALIDATION_DATASET_ID")
    step = max(1, len(samples) // (MOST - len(NARROW)))
    return [sample.path for sample in samples[::step][: MOST - len(NARROW)]]


def card(side: int, seed: int) -> Image.Image:
    """A picture of coloured shapes on a slope of grey, of no round size."""
    rng = np.random.default_rng(seed)
    width, height = int(side * rng.uniform(0.6, 1.7)) + 1, int(side * rng.uniform(0.6, 1.7)) + 1
    slope = np.linspace(40, 210, width)[None, :, None] * np.linspace(0.6, 1.0, height)[:, None, None]
    image = Image.fromarray((slope + rng.normal(0, 6, (height, width, 3))).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.08, 0.25) * min(width, height)
        draw.regular_polygon((x, y, r), int(rng.integers(3, 9)), rotation=int(rng.integers(360)), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    return image


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def shown(pictures: Sequence[Image.Image], answers: Sequence[Any], exported: Sequence[Any]) -> int:
    """The image for the package: a small one on which the original finds something and the export the same."""
    small = [i for i, picture in enumerate(pictures) if max(picture.size) <= LARGEST] or [0]
    same = [i for i in small if len(parity.paired(answers[i], exported[i])) == len(answers[i]) == len(exported[i])] if isinstance(answers[0], Objects) else small
    return next((i for i in same if isinstance(answers[i], Objects) and len(answers[i])), (same or small)[0])


def tolerance(picture: Image.Image, answer: Any, exported: Any) -> dict[str, float]:
    """Of the selftest: what two runtimes may differ by, on top of what this file differs by from the original; of a quantised one that is more."""
    apart = parity.compare([answer], [exported], [picture], max(picture.size), 1.0, 0.0)
    return {
        "pixels": TOLERANCE["pixels"] + apart.pixels, "score": TOLERANCE["score"] + apart.score, "probability": TOLERANCE["probability"] + apart.probability,
        "mask_iou": max(0.0, TOLERANCE["mask_iou"] + min(apart.outlines, default=1.0) - 1),
    }


def write(folder: Path, picture: Image.Image, answer: Any, exported: Any) -> None:
    """golden/image.png and answer.json: what the trainer's own predictor says of it, and how near to that the exported file must be."""
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / "image.png")
    said: dict[str, Any] = {"image": "image.png", "width": picture.width, "height": picture.height, "tolerance": tolerance(picture, answer, exported)}
    if isinstance(answer, Objects):
        said["objects"] = [described(answer, i, picture.size) for i in range(len(answer))]
    elif isinstance(answer, np.ndarray):
        said["probabilities"] = answer.tolist()
    else:
        said["class_map"] = runs(answer.classes)
    (folder / "answer.json").write_text(json.dumps(clean(said), allow_nan=False) + "\n", encoding="utf-8")


def described(answer: Objects, i: int, size: tuple[int, int]) -> dict[str, Any]:
    mask = parity.painted(answer.polygons[i], size) if answer.polygons is not None and len(answer.polygons[i]) > 2 else None
    return {
        "class_index": int(answer.classes[i]), "confidence": float(answer.scores[i]), "bbox": answer.boxes[i].tolist(),
        "keypoints": None if answer.keypoints is None else answer.keypoints[i].tolist(), "mask": None if mask is None else runs(mask.astype(np.int32)),
    }


def runs(values: np.ndarray) -> dict[str, Any]:
    """Runs, column by column: of a mask their lengths beginning with zeros, as COCO has them; of more classes also each run's value."""
    flat = values.T.flatten()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    first = [int(flat[i]) for i in [0, *edges]]
    if values.max(initial=0) > 1:
        return {"size": list(values.shape), "counts": counts, "values": first}
    return {"size": list(values.shape), "counts": [0, *counts] if first[0] else counts}
