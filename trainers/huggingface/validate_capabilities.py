"""Builds every model of capabilities.json and prints {passed, duration, issues}; exit code 1 when one fails."""

from __future__ import annotations

from pathlib import Path

import offline  # noqa: F401  before transformers
import models
import torch
from clip import ZeroShotCLIP
from torch import nn
from trainer_vision.capabilities import main
from transformers import AutoModelForImageClassification, AutoModelForObjectDetection, AutoModelForSemanticSegmentation

CLASSES = 1000
DETECTED = 80  # classes of COCO
SEGMENTED = 150  # classes of ADE20K, for which SegFormer's sizes are published
SIZE = 224


def build(name: str, task: str) -> tuple[nn.Module, tuple[int, ...]]:
    config = models.CONFIGS[name](SIZE)
    if task == "object_detection":  # which computes with its weights while it is built, so they must have numbers
        config.num_labels = DETECTED
        return AutoModelForObjectDetection.from_config(config).eval().to("meta"), (1, 3, 640, 640)
    with torch.device("meta"):
        if task == "zero_shot_classification":
            model = ZeroShotCLIP(config)
            model.class_features = torch.zeros(CLASSES, config.projection_dim)
        elif task == "semantic_segmentation":
            config.num_labels = SEGMENTED
            return AutoModelForSemanticSegmentation.from_config(config).eval(), (1, 3, 512, 512)
        else:
            config.num_labels = CLASSES
            model = AutoModelForImageClassification.from_config(config)
    return model.eval(), (1, 3, SIZE, SIZE)


if __name__ == "__main__":
    main(Path(__file__).resolve().parent, build)
