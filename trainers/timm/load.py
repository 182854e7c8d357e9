"""A checkpoint of the timm trainer as a classifier, or as a segmenter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import augmentation
import checkpoint
from config_schema import schema
from model import build_model
from timm.data.transforms import str_to_interp_mode
from trainer_sdk import Job, JobError, check_options
from trainer_vision.classifier import Classifier
from trainer_vision.deploy.subject import SHORTEST_CROP, STRETCH, Preprocess
from trainer_vision.masks import eval_transform
from trainer_vision.segmenter import Segmenter
from unet import build_unet


def segments(path: Path) -> bool:
    """Whether the checkpoint is a segmenter; one that cannot be read is none, and `load` says why."""
    try:
        return bool(checkpoint.load(path).get("task") == "semantic_segmentation")
    except JobError:
        return False


def load(_job: Job, path: Path, image_size: int | None) -> Classifier | Segmenter:
    state = checkpoint.load(path)
    size = image_size or state["image_size"]
    names = state["class_names"]
    options = {**check_options({}, schema()), **state["options"]}  # of an older version an option may be missing
    if state.get("task") == "semantic_segmentation":
        unet = build_unet(state["arch"], names, options, path)
        config = augmentation.data_config(unet.encoder, size)
        transform = eval_transform(size, config["mean"], config["std"], str_to_interp_mode(config["interpolation"]))
        how = Preprocess(STRETCH, size, size, kernel=config["interpolation"], antialias=True, mean=config["mean"], std=config["std"])
        return Segmenter(unet.eval(), names, transform, how, state["arch"], options["ignore_background"])
    model = build_model(state["arch"], names, size, options, path)
    config = augmentation.data_config(model, size)
    return Classifier(model.eval(), names, augmentation.eval_transform(config), preprocess(config), state["arch"])


def preprocess(config: Mapping[str, Any]) -> Preprocess:
    """What timm's transform for validation does. A crop that keeps the image's shape in a frame ("border") has no word of its own."""
    _, height, width = config["input_size"]
    mode = {"center": SHORTEST_CROP, "squash": STRETCH}.get(config["crop_mode"], config["crop_mode"])
    if mode == STRETCH and config["crop_pct"] != 1:
        mode = f"squash and crop to {config['crop_pct']}"
    shortest = math.floor(height / config["crop_pct"]) if mode == SHORTEST_CROP else None
    return Preprocess(mode, height, width, shortest, config["interpolation"], True, config["mean"], config["std"])
