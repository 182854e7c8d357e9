"""Grad-CAM and LayerCAM by hooks, and attention rollout. Needs torch; the model is the trainer's.

A detector has small objects on fine maps: LayerCAM (Jiang et al. 2021) weighs every cell by its own gradient and holds up
there, where Grad-CAM's mean over the map does not. Heat of several layers is added up.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from trainer_sdk import JobError

from .target import Target

NO_ATTENTION = "this model has no attention to show"


@dataclass(frozen=True)
class Attention:
    """That of a transformer whose answer comes from its first token, the class token; the patches' tokens are the last ones."""

    read: Callable[[Any], Sequence[torch.Tensor]]  # prepared image → of every layer (heads, tokens, tokens)
    side: int  # of the square of patches


@dataclass(frozen=True)
class Differentiable:
    """A torch model as explanations by gradients use it."""

    module: nn.Module
    layers: Sequence[str]  # dotted names of those that show most, for what XAI_TARGET_LAYERS leaves open
    # (prepared image, what is explained, width and height of the picture) → the number whose gradient explains it
    score: Callable[[Any, Target, tuple[int, int]], torch.Tensor]
    place: Callable[[np.ndarray, tuple[int, int]], np.ndarray]  # (heat on the model's input, width and height) → heat on the picture
    every_cell: bool = False  # LayerCAM
    attention: Attention | str = NO_ATTENTION  # or why it explains nothing


def find(module: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    known = dict(module.named_modules())
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 5)
            raise JobError(f"XAI_TARGET_LAYERS: the model has no layer {name!r}" + (f"; near it: {', '.join(near)}" if near else f"; it has {', '.join(list(known)[1:9])}, …"))
    return [known[name] for name in names]


def cam(model: Differentiable, prepared: Any, target: Target, size: tuple[int, int], layers: Sequence[str]) -> np.ndarray:
    """The heat of one picture, (h, w) from 0."""
    kept: list[torch.Tensor] = []

    def keep(_module: nn.Module, _arguments: Any, output: Any) -> None:
        kept.append(output[0] if isinstance(output, tuple) else output)

    hooks = [layer.register_forward_hook(keep) for layer in find(model.module, layers)]
    try:
        with torch.enable_grad():
            number = model.score(prepared, target, size)
            gradients = torch.autograd.grad(number, kept, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    maps = [_heat(a.detach(), g, model.every_cell) for a, g in zip(kept, gradients, strict=True) if g is not None]
    if not maps:
        raise JobError(f"the answer does not depend on the layers {', '.join(layers)}: name others in XAI_TARGET_LAYERS")
    largest = max((m.shape for m in maps), key=lambda s: s[0] * s[1])
    total = sum(_resized(m, largest) / max(float(m.max()), 1e-12) for m in maps)
    return model.place(total.float().cpu().numpy(), size)  # type: ignore[union-attr]


def _resized(heat: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    return nn.functional.interpolate(heat[None, None], tuple(shape), mode="bilinear", align_corners=False)[0, 0]


def _heat(activation: torch.Tensor, gradient: torch.Tensor, every_cell: bool) -> torch.Tensor:
    activation, gradient = _grid(activation[0], not every_cell), _grid(gradient[0], not every_cell)
    weights = gradient.clamp(min=0) if every_cell else gradient.mean((1, 2), keepdim=True)
    return (weights * activation).sum(0).clamp(min=0)


def _grid(tokens: torch.Tensor, square: bool) -> torch.Tensor:
    """(channels, h, w); tokens of a transformer (n, channels) lie in a square behind those of the class.

    Of a square input a map whose channels come last, as Swin's, is told by its sides.
    """
    if tokens.ndim == 3:
        return tokens.permute(2, 0, 1) if square and tokens.shape[0] == tokens.shape[1] != tokens.shape[2] else tokens
    side = int(tokens.shape[0] ** 0.5)
    return tokens[tokens.shape[0] - side * side :].T.reshape(-1, side, side)


def rollout(model: Differentiable, prepared: Any, size: tuple[int, int]) -> np.ndarray:
    """Attention followed through the layers (Abnar and Zuidema 2020). It explains the picture, not one class of it."""
    if isinstance(model.attention, str):
        raise JobError(f"XAI_METHOD attention: {model.attention}; use gradcam, lime or shap")
    flow: torch.Tensor | None = None
    for heads in model.attention.read(prepared):
        mixed = heads.float().mean(0) + torch.eye(heads.shape[-1], device=heads.device)
        mixed = mixed / mixed.sum(-1, keepdim=True)
        flow = mixed if flow is None else mixed @ flow
    if flow is None:
        raise JobError("XAI_METHOD attention: the model gave no attention")
    side = model.attention.side
    grid = flow[0, -side * side :].reshape(side, side)
    return model.place((grid - grid.min()).cpu().numpy(), size)
