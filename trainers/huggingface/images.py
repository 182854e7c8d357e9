"""Image preprocessing: what the model's own configuration says, augmented as the options say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torchvision.transforms import v2

# The two norms that the trainer's models were pretrained with.
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

Norm = tuple[Sequence[float], Sequence[float]]


def norm_of(name: str, folder: Path | None) -> Norm:
    """Mean and std, from preprocessor_config.json of the weights, else by the kind of model."""
    described = folder / "preprocessor_config.json" if folder else None
    if described and described.is_file():
        values = json.loads(described.read_text(encoding="utf-8"))
        if "image_mean" in values:
            return values["image_mean"], values["image_std"]
    stem = name.rsplit("/", 1)[-1]
    return CLIP if stem.startswith("clip") else IMAGENET if stem.startswith("dino") else HALF


def train_transform(size: int, norm: Norm, options: Mapping[str, Any]) -> Callable[[Any], torch.Tensor]:
    strength = options["color_jitter"]
    policy = {"none": [], "randaugment": [v2.RandAugment()], "trivialaugment": [v2.TrivialAugmentWide()]}[options["auto_augment"]]
    return v2.Compose([
        v2.RandomResizedCrop(size, scale=(max(options["crop_scale_min"], 0.01), 1.0), antialias=True),
        v2.RandomHorizontalFlip(options["hflip"]),
        *policy,
        *([v2.ColorJitter(strength, strength, strength)] if strength else []),
        *_to_tensor(norm),
        *([v2.RandomErasing(options["reprob"])] if options["reprob"] else []),
    ])


def eval_transform(size: int, norm: Norm) -> Callable[[Any], torch.Tensor]:
    return v2.Compose([v2.Resize(size, antialias=True), v2.CenterCrop(size), *_to_tensor(norm)])


def _to_tensor(norm: Norm) -> list[Any]:
    return [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*map(list, norm))]


def describe(size: int, norm: Norm) -> dict[str, Any]:
    """preprocessor_config.json for the eval transform, as image processors of transformers read it."""
    return {
        "do_resize": True, "size": {"shortest_edge": size}, "resample": 2, "do_center_crop": True, "crop_size": {"height": size, "width": size},
        "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": list(norm[0]), "image_std": list(norm[1]), "do_convert_rgb": True,
    }
