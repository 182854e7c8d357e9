"""A torch classifier as explanations by gradients and attention use it. Needs torch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from .attention import attention_of
from .inference.explain.gradients import Differentiable
from .inference.explain.heat import resized
from .inference.explain.target import Target

FIRST_NORMS = ("norm1", "layernorm_before", "layer_norm1")  # of a transformer's block: what its attention reads


def differentiable(model: nn.Module, prepare: Callable[[Image.Image], torch.Tensor], mean: Sequence[float], std: Sequence[float], size: int, device: torch.device, logits: Callable[[Any], torch.Tensor] = lambda y: y) -> Differentiable:
    """On a copy: the model that predicts keeps its fast attention and needs no gradients."""
    own = copy.deepcopy(model).float().eval().requires_grad_(True)

    def score(prepared: torch.Tensor, target: Target, _size: tuple[int, int]) -> torch.Tensor:
        return logits(own(prepared[None].float().to(device)))[0, target.index]

    def place(heat: np.ndarray, picture: tuple[int, int]) -> np.ndarray:
        return on_picture(heat, picture, seen(prepare, picture, mean, std))

    example = torch.zeros(1, 3, size, size, device=device)
    return Differentiable(own, telling_layers(own, example), score, place, attention=attention_of(own, lambda images: logits(own(images)), size, device))


def telling_layers(model: nn.Module, example: torch.Tensor) -> list[str]:
    """The last layer that still has a map: of a transformer the first norm of its last block."""
    maps: list[str] = []
    norms: list[str] = []
    hooks = []

    def watch(name: str) -> Callable[..., None]:
        def keep(_module: nn.Module, _arguments: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
                maps.append(name)
            elif isinstance(output, torch.Tensor) and output.ndim == 3 and name.endswith(FIRST_NORMS):
                norms.append(name)

        return keep

    for name, module in model.named_modules():
        if name:
            hooks.append(module.register_forward_hook(watch(name)))
    with torch.no_grad():
        model(example)
    for hook in hooks:
        hook.remove()
    return norms[-1:] or maps[-1:]


def seen(prepare: Callable[[Image.Image], torch.Tensor], size: tuple[int, int], mean: Sequence[float], std: Sequence[float]) -> tuple[float, float, float, float]:
    """Which part of a picture the model sees, as fractions left, top, right, bottom: what becomes of one whose colours are places."""
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    prepared = prepare(Image.fromarray(np.dstack([x, y, np.zeros_like(x)]).astype(np.uint8))).float().cpu().numpy()
    across = (prepared[0] * std[0] + mean[0]).mean(0)
    down = (prepared[1] * std[1] + mean[1]).mean(1)
    (left, right), (top, bottom) = _ends(across), _ends(down)
    return left, top, right, bottom


def _ends(values: np.ndarray) -> tuple[float, float]:
    slope, start = np.polyfit(np.arange(len(values)) + 0.5, values, 1)
    return float(start), float(start + slope * len(values))


def on_picture(heat: np.ndarray, size: tuple[int, int], part: tuple[float, float, float, float]) -> np.ndarray:
    """Heat on the part of a picture that the model sees, 0 elsewhere."""
    width, height = size
    left, top = round(part[0] * width), round(part[1] * height)
    right, bottom = max(left + 1, round(part[2] * width)), max(top + 1, round(part[3] * height))
    placed = resized(heat, bottom - top, right - left)
    whole = np.zeros((height, width), dtype=np.float32)
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    whole[y1:y2, x1:x2] = placed[y1 - top : y2 - top, x1 - left : x2 - left]
    return whole
