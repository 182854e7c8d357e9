"""Builds every model of capabilities.json and prints {passed, duration, issues}; exit code 1 when one fails."""

from __future__ import annotations

from pathlib import Path

import torch
from config_schema import schema
from model import build_model
from torch import nn
from trainer_sdk import check_options
from trainer_vision.capabilities import main
from unet import build_unet

CLASSES = 1000
SEGMENTED = 21  # outputs of a U-Net for VOC
SIZE = 224


def build(name: str, task: str) -> tuple[nn.Module, tuple[int, ...]]:
    with torch.device("meta"):
        if task == "semantic_segmentation":
            return build_unet(name, SEGMENTED, check_options({}, schema())).eval(), (1, 3, 512, 512)
        model = build_model(name, CLASSES, SIZE, check_options({}, schema()))
    return model.eval(), (1, 3, SIZE, SIZE)


if __name__ == "__main__":
    main(Path(__file__).resolve().parent, build)
