"""Builds every model of capabilities.json and prints {passed, duration, issues}; exit code 1 when one fails."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["YOLO_VERBOSE"] = "false"  # stdout is for the result
import offline  # noqa: F401  before ultralytics
import torch
from torch import nn
from trainer_vision.capabilities import main
from ultralytics.nn.tasks import ClassificationModel, DetectionModel, OBBModel, PoseModel, SegmentationModel

MODELS = {
    "object_detection": (DetectionModel, 640),
    "instance_segmentation": (SegmentationModel, 640),
    "pose_estimation": (PoseModel, 640),
    "image_classification": (ClassificationModel, 224),
}


def build(name: str, task: str) -> tuple[nn.Module, tuple[int, ...]]:
    """The model in training mode, where its head computes the same but makes no anchors, which need real memory."""
    cls, size = (OBBModel, 640) if name.endswith("-obb") else MODELS[task]
    return cls(f"{name}.yaml", verbose=False).train().to("meta"), (1, 3, size, size)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main(Path(__file__).resolve().parent, build)
