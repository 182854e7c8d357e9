"""A U-Net with any encoder of timm that gives features at several scales: `unet-resnet18` is one with resnet18."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from model import check_name, head_names, recorded_loads
from torch import nn
from torch.nn import functional
from trainer_sdk import JobError, Platform
from trainer_vision.weight_files import read_tensors
from trainer_vision.weights import beginning, report_weights

PREFIX = "unet-"
WIDTHS = (256, 128, 64, 32, 16)  # of the decoder's stages, from the coarsest on


class UNet(nn.Module):
    """Images (n, 3, h, w) → scores (n, outputs, h, w). The decoder doubles the side and takes in the encoder's features of it."""

    def __init__(self, encoder: nn.Module, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        channels = list(reversed(encoder.feature_info.channels()))
        widths = WIDTHS[-len(channels) :] if len(channels) <= len(WIDTHS) else (WIDTHS[0],) * (len(channels) - len(WIDTHS)) + WIDTHS
        below = [channels[0], *widths[: len(channels) - 2]]
        self.decoder = nn.ModuleList(_stage(low + skip, width) for low, skip, width in zip(below, channels[1:], widths, strict=False))
        self.head = nn.Conv2d(widths[len(channels) - 2], outputs, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x, *skips = reversed(self.encoder(images))
        for stage, skip in zip(self.decoder, skips, strict=True):
            x = stage(torch.cat([functional.interpolate(x, size=skip.shape[-2:]), skip], 1))
        return functional.interpolate(self.head(x), size=images.shape[-2:], mode="bilinear", align_corners=False)


def _stage(inward: int, outward: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inward, outward):
        layers += [nn.Conv2d(channels, outward, 3, padding=1, bias=False), nn.BatchNorm2d(outward), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def encoder_of(name: str) -> str:
    encoder = name.removeprefix(PREFIX)
    if encoder == name:
        raise JobError(f"MODEL_NAME {name!r} does not segment: use {PREFIX}resnet18, or {PREFIX} and another model of timm")
    check_name(encoder)
    return encoder


def build_unet(name: str, outputs: int, options: Mapping[str, Any], weights: Path | None = None, platform: Platform | None = None) -> UNet:
    """Fresh, or with weights: those of a whole U-Net, or of its encoder as timm's classifiers have them."""
    encoder = encoder_of(name)
    tensors = read_tensors(weights) if weights else {}
    whole = any(key.startswith("encoder.") for key in tensors)
    arguments: dict[str, Any] = {"features_only": True, **({"drop_path_rate": options["drop_path"]} if options["drop_path"] else {})}
    overlay = {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": tensors, "custom_load": False, "num_classes": -1}} if tensors and not whole else {}
    try:
        with recorded_loads() as loads:
            model = UNet(timm.create_model(encoder, **arguments, **overlay), outputs)
    except (AssertionError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise JobError(f"{encoder} gives no features at several scales, which a U-Net wants, or its weights {weights} do not fit: {beginning(error)}. Use {PREFIX}resnet18") from error
    if whole:
        fresh = load_whole(model, tensors)
        report_weights(model, weights, fresh, ["head."], set(tensors) - set(model.state_dict()), platform)
    elif weights:
        missing, unexpected = loads[-1]
        fresh = {f"encoder.{key}" for key in missing if not key.startswith(tuple(head_names(encoder)))} | {key for key in model.state_dict() if not key.startswith("encoder.")}
        report_weights(model, weights, fresh, ["decoder.", "head."], [f"encoder.{key}" for key in unexpected], platform)
    if options["freeze_backbone"]:
        model.encoder.requires_grad_(False)
    return model


def load_whole(model: UNet, tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """Load what fits; the names of what stays fresh."""
    own = model.state_dict()
    model.load_state_dict({key: value for key, value in tensors.items() if key in own and own[key].shape == value.shape}, strict=False)
    return [key for key, value in own.items() if key not in tensors or tensors[key].shape != value.shape]
