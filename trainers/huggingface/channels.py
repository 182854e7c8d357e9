"""Weights that want blue first, as MobileViT's, are turned when they are loaded: from then on the model takes red first.

So nothing after that has to know: neither training nor predictions nor exports, nor who uses the checkpoint. Needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import preprocessing
import torch
from torch import nn
from trainer_sdk import JobError


def blue_first(config: Mapping[str, Any]) -> bool:
    """Whether an image processor turns RGB into BGR; MobileViT's does unless it is told not to."""
    return bool(config.get("do_flip_channel_order", preprocessing.of_mobilevit(config)))


def turn(model: nn.Module, folder: Path) -> None:
    """`folder` is what the weights are from; a checkpoint of this trainer is turned already, and says so."""
    config = preprocessing.read(folder)
    if config is None or not blue_first(config):
        return
    takers = [module for module in model.modules() if isinstance(module, nn.Conv2d) and module.in_channels == 3 and module.groups == 1]
    if len(takers) != 1:
        raise JobError(f"{folder / preprocessing.FILE} says do_flip_channel_order (BGR), and {len(takers)} convolutions of this model take three channels, so that it cannot be turned to RGB. Use weights that take RGB")
    with torch.no_grad():
        takers[0].weight.copy_(takers[0].weight.flip(1))
    print("[trainer] weights: they want BGR; their first convolution is turned, the model takes RGB", flush=True)
