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
from .reader import bilinear

MOST = 8
LARGEST = 1280  # pixels of the longer side of the package's image
TOLERANCE = {"pixels": 0.5, "score": 0.01, "probability": 0.01, "mask_iou": 0.9}  # of one file in two runtimes
FARTHEST = {"pixels": 0.05, "score": 0.25, "probability": 0.25, "mask_iou": 0.5, "pixel_agreement": 0.25}  # of a file from the original, pixels as a share of the image's longer side
NARROW = (1, 1000), (333, 17)


def images(job: Job, side: int) -> list[Image.Image]:
    """Some of the validation split, spread over it, else drawn ones; and always two that no camera makes."""
    found = [small(read_image(path)) if i % 2 else read_image(path) for i, path in enumerate(given(job))] or [card(side, seed) for seed in range(MOST - len(NARROW))]
    return [*found, *(noise(width, height) for height, width in NARROW)]


def small(image: Image.Image) -> Image.Image:
    """One that a package may hold."""
    image.thumbnail((LARGEST, LARGEST))
    return image


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


def shown(pictures: Sequence[Image.Image], answers: Sequence[Any], exported: Sequence[Any]) -> int | None:
    """The image for the package: of those on which both find the same, one that shows something, by a camera, on which the export comes nearest; of equally near ones that
    with most objects. None where there is none."""
    drawn = len(pictures) - len(NARROW)
    same = [i for i, picture in enumerate(pictures) if max(picture.size) <= LARGEST and alike(answers[i], exported[i])]
    return min(same, key=lambda i: (shows_nothing(answers[i]), i >= drawn, round(distance(pictures[i], answers[i], exported[i]), 1), -len(answers[i]) if isinstance(answers[i], Objects) else 0), default=None)


def alike(answer: Any, exported: Any) -> bool:
    """Whether both have the same objects; how near is another question."""
    return not isinstance(answer, Objects) or len(parity.paired(answer, exported)) == len(answer) == len(exported)


def shows_nothing(answer: Any) -> bool:
    return isinstance(answer, Objects) and not len(answer)


def distance(picture: Image.Image, answer: Any, exported: Any) -> float:
    """How far apart two answers to one image are; over 1 a selftest that allows it would prove nothing."""
    apart = parity.compare([answer], [exported], [picture], max(picture.size), 1.0, 0.0)
    return max(
        (apart.pixels or 0) / max(picture.size) / FARTHEST["pixels"], (apart.score or 0) / FARTHEST["score"], (apart.probability or 0) / FARTHEST["probability"],
        (1 - min(apart.outlines, default=1.0)) / FARTHEST["mask_iou"], (0 if apart.pixel_agreement is None else 1 - apart.pixel_agreement) / FARTHEST["pixel_agreement"],
    )


def tolerance(picture: Image.Image, answer: Any, exported: Any) -> dict[str, float]:
    """Of the selftest: what two runtimes may differ by, on top of what this file differs by from the original; of a quantised one that is more."""
    apart = parity.compare([answer], [exported], [picture], max(picture.size), 1.0, 0.0)
    return {
        "pixels": TOLERANCE["pixels"] + (apart.pixels or 0), "score": TOLERANCE["score"] + (apart.score or 0), "probability": TOLERANCE["probability"] + (apart.probability or 0),
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
    mask = None
    if answer.pixels is not None:
        mask = enlarged(answer.pixels[i], size)
    elif answer.polygons is not None and len(answer.polygons[i]) > 2:
        mask = parity.painted(answer.polygons[i], size)
    return {
        "class_index": int(answer.classes[i]), "confidence": float(answer.scores[i]), "bbox": answer.boxes[i].tolist(),
        "keypoints": None if answer.keypoints is None else answer.keypoints[i].tolist(), "mask": None if mask is None else runs(mask.astype(np.int32)),
    }


def enlarged(pixels: Any, size: tuple[int, int]) -> np.ndarray:
    """A mask of the model's size in that of the image, (width, height)."""
    from faster_coco_eval.core import mask  # it made the runs

    return bilinear(mask.decode(pixels).astype(np.float32)[..., None], size[1], size[0])[..., 0] > 0.5


def runs(values: np.ndarray) -> dict[str, Any]:
    """Runs, column by column: of a mask their lengths beginning with zeros, as COCO has them; of more classes also each run's value."""
    flat = values.T.flatten()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    first = [int(flat[i]) for i in [0, *edges]]
    if values.max(initial=0) > 1:
        return {"size": list(values.shape), "counts": counts, "values": first}
    return {"size": list(values.shape), "counts": [0, *counts] if first[0] else counts}
