"""A checkpoint of the timm trainer as a classifier."""

from __future__ import annotations

from pathlib import Path

import augmentation
import checkpoint
from config_schema import schema
from model import build_model
from trainer_sdk import Job, check_options
from trainer_vision.classifier import Classifier


def load(_job: Job, path: Path, image_size: int | None) -> Classifier:
    state = checkpoint.load(path)
    size = image_size or state["image_size"]
    names = state["class_names"]
    options = {**check_options({}, schema()), **state["options"]}  # of an older version an option may be missing
    model = build_model(state["arch"], len(names), size, options, path)
    config = augmentation.data_config(model, size)
    return Classifier(model.eval(), names, augmentation.eval_transform(config), size, config["mean"], config["std"], state["arch"])
