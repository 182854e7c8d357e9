"""Transforms of training and validation: timm's, with the preprocessing that the model was designed for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from timm.data import Mixup, create_transform, resolve_data_config
from timm.data.auto_augment import AugmentOp
from torch import nn
from trainer_sdk import JobError

Options = Mapping[str, Any]


def data_config(model: nn.Module, image_size: int) -> dict[str, Any]:
    """Input size, mean, std, crop and interpolation that the model was designed for."""
    return resolve_data_config({"input_size": (3, image_size, image_size)}, model=model)


def train_transform(config: Mapping[str, Any], options: Options) -> Callable[[Any], torch.Tensor]:
    policy = options["auto_augment"]
    transform = create_transform(
        config["input_size"], is_training=True, scale=(max(options["crop_scale_min"], 0.01), 1.0), hflip=options["hflip"], vflip=options["vflip"],
        color_jitter=options["color_jitter"], auto_augment=None if policy == "none" else policy,
        interpolation=config["interpolation"], mean=config["mean"], std=config["std"], re_prob=options["reprob"], re_mode="pixel",
    )
    crop = transform.transforms[0]
    crop.get_params = partial(_at_least_one_pixel, crop.get_params)
    for operation in augment_operations(transform):
        if operation.name.startswith("Posterize"):
            operation.level_fn = partial(_at_least_one_bit, operation.level_fn)
    return transform


def augment_operations(transform: Any) -> Iterator[AugmentOp]:
    """Every operation of the random augmentation, whichever policy it is."""
    for step in getattr(transform, "transforms", [transform]):
        yield from getattr(step, "ops", [])
        for operations in getattr(step, "policy", []):
            yield from operations


def _at_least_one_pixel(params_of: Callable[..., tuple[int, int, int, int]], image: Any, *more: Any) -> tuple[int, int, int, int]:
    """Of an image of a few pixels timm may cut out none of them, which Pillow makes black."""
    top, left, height, width = params_of(image, *more)
    return min(top, image.height - 1), min(left, image.width - 1), max(height, 1), max(width, 1)


def _at_least_one_bit(level_of: Callable[[float, Any], tuple[int]], magnitude: float, hparams: Any) -> tuple[int]:
    """timm's strongest posterize keeps no bit, a black image; Pillow refuses it in the middle of an epoch."""
    return (max(level_of(magnitude, hparams)[0], 1),)


def eval_transform(config: Mapping[str, Any]) -> Callable[[Any], torch.Tensor]:
    return create_transform(
        config["input_size"], is_training=False, interpolation=config["interpolation"], mean=config["mean"], std=config["std"],
        crop_pct=config["crop_pct"], crop_mode=config["crop_mode"],
    )


def build_mixup(classes: int, batch_size: int, options: Options) -> Mixup | None:
    if not (options["mixup"] or options["cutmix"]):
        return None
    if batch_size % 2:
        raise JobError(f"mixup and cutmix pair the images of a batch: BATCH_SIZE {batch_size} must be even")
    return Mixup(mixup_alpha=options["mixup"], cutmix_alpha=options["cutmix"], label_smoothing=options["smoothing"], num_classes=classes)
