"""Builds every model of capabilities.json and prints {passed, duration, issues}; exit code 1 when one fails."""

from __future__ import annotations

from pathlib import Path

import torch
from config_schema import schema
from model import build_model
from torch import nn
from trainer_sdk import check_options
from trainer_vision.capabilities import main

CLASSES = 1000
SIZE = 224


def build(name: str, _task: str) -> tuple[nn.Module, tuple[int, ...]]:
    with torch.device("meta"):
        model = build_model(name, CLASSES, SIZE, check_options({}, schema()))
    return model.eval(), (1, 3, SIZE, SIZE)


if __name__ == "__main__":
    main(Path(__file__).resolve().parent, build)
