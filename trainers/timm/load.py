"""A checkpoint of the timm trainer as a classifier, or as a segmenter."""

from __future__ import annotations

from pathlib import Path

import augmentation
import checkpoint
from config_schema import schema
from model import build_model
from timm.data.transforms import str_to_interp_mode
from trainer_sdk import Job, JobError, check_options
from trainer_vision.classifier import Classifier
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
        unet = build_unet(state["arch"], len(names), options, path)
        config = augmentation.data_config(unet.encoder, size)
        transform = eval_transform(size, config["mean"], config["std"], str_to_interp_mode(config["interpolation"]))
        return Segmenter(unet.eval(), names, transform, size, config["mean"], config["std"], state["arch"], options["ignore_background"])
    model = build_model(state["arch"], len(names), size, options, path)
    config = augmentation.data_config(model, size)
    return Classifier(model.eval(), names, augmentation.eval_transform(config), size, config["mean"], config["std"], state["arch"])
