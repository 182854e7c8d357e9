"""Position embeddings of one image size, as numbers in place of their interpolation: that is the same in every run, and not every format has an operation for it."""

from __future__ import annotations

from functools import partial
from types import MethodType
from typing import Any

import torch
from torch import nn

METHOD = "interpolate_pos_encoding"  # of transformers' embeddings of patches


def fix(model: nn.Module, size: tuple[int, int]) -> None:
    found = [module for module in model.modules() if callable(getattr(module, METHOD, None))]
    for module in found:
        setattr(module, METHOD, partial(noted, module, getattr(module, METHOD)))
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, *size))
    for module in found:
        setattr(module, METHOD, MethodType(positions, module))  # a method: a copy of the model has its own numbers


def noted(module: nn.Module, interpolate: Any, *args: Any, **more: Any) -> torch.Tensor:
    answer = interpolate(*args, **more)
    module.register_buffer("positions", answer.detach().clone(), persistent=False)
    return answer


def positions(module: nn.Module, *_args: Any, **_more: Any) -> torch.Tensor:
    return module.get_buffer("positions")
