"""A checkpoint of the timm trainer as a classifier."""

from __future__ import annotations

from pathlib import Path

import checkpoint
import recipe
from trainer_sdk import Job
from trainer_vision.classifier import Classifier


def load(_job: Job, path: Path, image_size: int | None) -> Classifier:
    state = checkpoint.load(path)
    size = image_size or state["image_size"]
    names = state["class_names"]
    model = recipe.build_model(state["arch"], len(names), size, state["options"])
    model.load_state_dict(state["state_dict_ema"] or state["state_dict"])
    config = recipe.data_config(model, size)
    return Classifier(model.eval(), names, recipe.eval_transform(config), size, config["mean"], config["std"], state["arch"])
