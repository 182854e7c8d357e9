"""The prepared COCO dataset as masks of classes, for semantic segmentation. Needs torchvision, Pillow and pycocotools.

A pixel has the index of its class; what no annotation covers is background, an index of its own behind the classes, and
what a crowd covers is left out of loss and metrics. Where annotations overlap the smaller one is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from trainer_sdk import Job, JobError

from .choices import say
from .coco_folder import check_categories, read_document
from .images import read_image
from .split_labels import check_labelled

IGNORE = -100  # of a pixel that counts nowhere; torch's own number for it
BACKGROUND = "background"

Joint = Callable[[Image.Image, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""(image, mask) → (input of the model, mask of the same size)."""


class SplitMasks(Dataset[tuple[torch.Tensor, torch.Tensor, str]]):
    """One split: (transformed image, mask of class indices, path relative to the images of the split) by index."""

    transform: Joint

    def __init__(self, job: Job, split: str, ignore_background: bool = False) -> None:
        self.classes = job.classes()
        self.root = job.dataset_dir / "images" / split
        self.background = IGNORE if ignore_background else len(self.classes)
        document = read_document(job, split)
        self.images: list[Mapping[str, Any]] = document["images"]
        self.annotations: dict[Any, list[Mapping[str, Any]]] = {image["id"]: [] for image in self.images}
        for annotation in document["annotations"]:
            self.annotations[annotation["image_id"]].append(annotation)
        check_categories(document["categories"], self.classes, split)
        if not self.images:
            raise JobError(f"{split}: there is no image in annotations/instances_{split}.json")
        say(f"[trainer] {split}: {len(self.images)} images with masks of {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, str]:
        entry = self.images[index]
        image = read_image(self.root / entry["file_name"])
        mask = painted(self.annotations[entry["id"]], image.height, image.width, self.background)
        return (*self.transform(image, torch.from_numpy(mask)), str(entry["file_name"]))

    def present(self) -> set[int]:
        """The classes that some annotation paints; crowds paint none."""
        return {row["category_id"] - 1 for rows in self.annotations.values() for row in rows if row["segmentation"] and not row["iscrowd"]}

    def check_labelled(self, split: str) -> None:
        check_labelled(split, len(self), bool(self.present()))

    def check_several_classes(self, split: str) -> None:
        """What is learned from has to be told apart from something."""
        present = self.present()
        if self.background == IGNORE and len(present) < 2:
            names = [c.name for c in self.classes if c.index in present]
            raise JobError(f"{split}: all annotated pixels are of the class {names}, and with ignore_background nothing else counts: set ignore_background to false")


def outputs(names: Sequence[str], ignore_background: bool) -> list[str]:
    """What the model tells apart: the classes, and the background behind them."""
    return [*names] if ignore_background else [*names, BACKGROUND]


def painted(annotations: Sequence[Mapping[str, Any]], height: int, width: int, background: int) -> np.ndarray:
    """The mask of an image, (height, width) with class indices."""
    mask = np.full((height, width), background, np.int64)
    for annotation in sorted(annotations, key=lambda a: -a["area"]):
        covered = _covered(annotation["segmentation"], height, width)
        mask[covered] = IGNORE if annotation["iscrowd"] else annotation["category_id"] - 1
    return mask


def _covered(segmentation: Any, height: int, width: int) -> np.ndarray:
    if isinstance(segmentation, Mapping):
        runs = coco_mask.frPyObjects(segmentation, height, width) if isinstance(segmentation["counts"], list) else segmentation
    elif segmentation:
        runs = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    else:
        return np.zeros((height, width), bool)
    return coco_mask.decode(runs).astype(bool)


def train_transform(
    size: int, mean: Sequence[float], std: Sequence[float], interpolation: InterpolationMode, *,
    crop_scale_min: float, hflip: float, vflip: float = 0.0, color_jitter: float = 0.0, reprob: float = 0.0,
) -> Joint:
    return _joint(
        v2.RandomResizedCrop(size, scale=(max(crop_scale_min, 0.01), 1.0), interpolation=interpolation, antialias=True),
        v2.RandomHorizontalFlip(hflip), v2.RandomVerticalFlip(vflip),
        *([v2.ColorJitter(color_jitter, color_jitter, color_jitter)] if color_jitter else []),
        *_to_tensor(mean, std),
        *([v2.RandomErasing(reprob)] if reprob else []),
    )


def eval_transform(size: int, mean: Sequence[float], std: Sequence[float], interpolation: InterpolationMode) -> Joint:
    """The whole image, squeezed into the model's input: so every pixel is judged."""
    return _joint(v2.Resize([size, size], interpolation=interpolation, antialias=True), *_to_tensor(mean, std))


def _joint(*steps: Any) -> Joint:
    compose = v2.Compose([v2.ToImage(), *steps])

    def transform(image: Image.Image, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pixels, labels = compose(image, tv_tensors.Mask(mask))
        return pixels.as_subclass(torch.Tensor), labels.as_subclass(torch.Tensor)

    return transform


def _to_tensor(mean: Sequence[float], std: Sequence[float]) -> list[Any]:
    return [v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True), v2.Normalize(list(mean), list(std))]
