"""A U-Net with any encoder of timm that gives features at several scales: `unet-resnet18` is one with resnet18."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from model import Load, check_name, head_names, recorded_loads
from torch import nn
from torch.nn import functional
from trainer_sdk import JobError, Platform
from trainer_vision.weight_files import Weights, read_weights
from trainer_vision.weights import CURE, beginning, check_shapes, other_classes, report_weights

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


def build_unet(name: str, classes: int | Sequence[str], options: Mapping[str, Any], weights: Path | None = None, platform: Platform | None = None) -> UNet:
    """Fresh, or with weights: those of a whole U-Net, or of its encoder as timm's classifiers have them.

    With the names of the classes a head of others is made anew; with their number one of as many is taken.
    """
    encoder = encoder_of(name)
    names = None if isinstance(classes, int) else classes
    outputs = classes if isinstance(classes, int) else len(classes)
    arguments: dict[str, Any] = {"features_only": True, **({"drop_path_rate": options["drop_path"]} if options["drop_path"] else {})}
    found = read_weights(weights) if weights else Weights({})
    if any(key.startswith("encoder.") for key in found.tensors):
        model = _build(encoder, outputs, arguments)
        _load_whole(name, model, weights, found, names, platform)
    elif weights:
        with recorded_loads() as loads:
            model = _build(encoder, outputs, arguments, weights, {"state_dict": found.tensors, "custom_load": False, "num_classes": -1})
        _report_encoder(encoder, model, weights, loads[-1], platform)
    else:
        model = _build(encoder, outputs, arguments)
    if options["freeze_backbone"]:
        model.encoder.requires_grad_(False)
    return model


def _build(name: str, outputs: int, arguments: Mapping[str, Any], weights: Path | None = None, overlay: Mapping[str, Any] | None = None) -> UNet:
    try:
        return UNet(timm.create_model(name, **arguments, **({"pretrained": True, "pretrained_cfg_overlay": overlay} if weights else {})), outputs)
    except Exception as error:  # of a filter that meets tensors of another architecture, anything
        if weights is None:
            raise JobError(f"{name} gives no features at several scales, which a U-Net wants: {beginning(error)}. Use {PREFIX}resnet18") from error
        _build(name, outputs, arguments)  # what is wrong without the weights too is not their fault
        raise JobError(f"the weights {weights} do not fit {name}: {beginning(error)}. {CURE}") from error


def _load_whole(name: str, model: UNet, path: Path, found: Weights, names: Sequence[str] | None, platform: Platform | None) -> None:
    own, head = model.state_dict(), ["head."]
    reason = other_classes(found.class_names, names)
    tensors = {key: value for key, value in found.tensors.items() if not (reason and key.startswith("head."))}
    reshaped = [key for key, value in tensors.items() if key in own and own[key].shape != value.shape]
    check_shapes(name, model, path, reshaped, head)
    fitting = {key: value for key, value in tensors.items() if key in own and key not in reshaped}
    model.load_state_dict(fitting, strict=False)
    report_weights(model, path, own.keys() - fitting.keys(), head, found.tensors.keys() - own.keys(), platform, reason=reason)


def _report_encoder(name: str, model: UNet, path: Path, load: Load, platform: Platform | None) -> None:
    """A classifier's weights lack the decoder, and their head has no place."""
    check_shapes(name, model.encoder, path, load.reshaped, head_names(name))
    of_classes = tuple(head_names(name))
    fresh = {f"encoder.{key}" for key in load.fresh if not key.startswith(of_classes)} | {key for key in model.state_dict() if not key.startswith("encoder.")}
    report_weights(model, path, fresh, ["decoder.", "head."], [f"encoder.{key}" for key in load.unexpected], platform)
