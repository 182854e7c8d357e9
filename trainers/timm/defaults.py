"""What suits a model of timm where the job leaves the choice: its image size and a learning rate for its family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from model import check_name
from timm.data import resolve_data_config
from torch import nn
from trainer_sdk import Job
from unet import encoder_of

# Of AdamW, pretrained and from scratch. Attention wants smaller rates than convolutions with batch norm.
RATES = {"attention": (1e-4, 5e-4), "convolution without batch norm": (3e-4, 1e-3), "convolution": (5e-4, 1e-3)}
# Other optimizers' rates as a multiple of AdamW's.
SCALES = {"sgd": 20.0, "lion": 0.2, "lamb": 5.0, "rmsprop": 0.5}


SEGMENTATION_SIZE = 512  # pixels: a U-Net takes any size, and small ones lose what is to be outlined


def backbone(job: Job) -> str:
    """The model of timm that the job is about: of a U-Net its encoder."""
    if job.task == "semantic_segmentation":
        return encoder_of(job.model)
    check_name(job.model)
    return job.model


def image_size(job: Job) -> int:
    """The side in pixels that the model is trained with."""
    if job.task == "semantic_segmentation":
        return SEGMENTATION_SIZE
    config = timm.get_pretrained_cfg(backbone(job))
    return int(resolve_data_config({}, pretrained_cfg=config.to_dict() if config else {})["input_size"][-1])


def family(name: str) -> str:
    with torch.device("meta"):
        kinds = list(timm.create_model(name, pretrained=False).modules())
    if any(hasattr(module, "num_heads") for module in kinds):
        return "attention"
    return "convolution" if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in kinds) else "convolution without batch norm"


def learning_rate(job: Job, options: Mapping[str, Any]) -> float:
    rate = RATES[family(backbone(job))][1 if job.pretrained_weights is None else 0]
    return float(f"{rate * SCALES.get(options['opt'], 1.0):.2g}")
