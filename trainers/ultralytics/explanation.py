"""YOLO models as explanations by gradients use them: LayerCAM on the maps that the head reads, for the anchor that made the box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from trainer_sdk import JobError
from trainer_vision.classifier_explain import differentiable
from trainer_vision.inference.explain.gradients import Differentiable
from trainer_vision.inference.explain.heat import resized
from trainer_vision.inference.explain.target import Target
from trainer_vision.inference.matching import overlaps
from ultralytics.data.augment import LetterBox


def detector(model: Any, letterbox: LetterBox, device: torch.device) -> Differentiable:
    """From a model that was read anew: one that has predicted holds anchors without gradients."""
    own = model.float().to(device).eval().requires_grad_(True)
    head = own.model[-1]
    if getattr(head, "end2end", False):
        raise JobError("XAI_METHOD: this model's head chooses its boxes itself and gives none of them a gradient; use lime or shap")
    layers = [f"model.{i}" for i in head.f]

    def score(prepared: np.ndarray, target: Target, size: tuple[int, int]) -> torch.Tensor:
        images = torch.from_numpy(np.ascontiguousarray(prepared[..., ::-1])).to(device).permute(2, 0, 1)[None].float() / 255
        rows = own(images)
        while isinstance(rows, list | tuple):
            rows = rows[0]
        return rows[0, 4 + target.index, anchor(rows[0].detach(), target, Letter(letterbox, size))]

    def place(heat: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        letter = Letter(letterbox, size)
        whole = resized(heat, letter.height, letter.width)
        return resized(whole[letter.top : letter.top + letter.inner[1], letter.left : letter.left + letter.inner[0]], size[1], size[0])

    return Differentiable(own, layers, score, place, every_cell=True)


class Letter:
    """Where LetterBox puts a picture of a size."""

    def __init__(self, letterbox: LetterBox, size: tuple[int, int]) -> None:
        height, width = letterbox.new_shape if isinstance(letterbox.new_shape, tuple | list) else (letterbox.new_shape,) * 2
        self.ratio = min(height / size[1], width / size[0])
        self.inner = max(1, round(size[0] * self.ratio)), max(1, round(size[1] * self.ratio))
        spare = (width - self.inner[0]) % letterbox.stride / 2, (height - self.inner[1]) % letterbox.stride / 2
        self.left, self.top = round(spare[0] - 0.1), round(spare[1] - 0.1)
        self.width = self.inner[0] + self.left + round(spare[0] + 0.1)
        self.height = self.inner[1] + self.top + round(spare[1] + 0.1)


def anchor(rows: torch.Tensor, target: Target, letter: Letter) -> int:
    """The one of the model's candidates that made the box."""
    assert target.box is not None
    centre, half = rows[:2].T.cpu().numpy(), rows[2:4].T.cpu().numpy() / 2
    box = target.box * letter.ratio + np.array([letter.left, letter.top] * 2)
    overlap = overlaps(np.hstack([centre - half, centre + half]), box[None])[:, 0]
    return int((overlap * rows[4 + target.index].cpu().numpy()).argmax())


def classifier(model: nn.Module, transforms: Callable[[Any], torch.Tensor], size: int, device: torch.device) -> Differentiable:
    def logits(answer: Any) -> torch.Tensor:
        return answer[1] if isinstance(answer, list | tuple) else answer.clamp(min=1e-9).log()

    return differentiable(model.float().to(device), transforms, [0.0] * 3, [1.0] * 3, size, device, logits)
