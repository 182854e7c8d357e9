"""A checkpoint folder of the Hugging Face trainer as a classifier."""

from __future__ import annotations

import json
from pathlib import Path

import images
import models
import torch
from torch import nn
from trainer_sdk import Job, JobError
from trainer_vision.classifier import Classifier


class Logits(nn.Module):
    """A model of transformers as a function from images to logits."""

    def __init__(self, model: nn.Module, interpolate: bool) -> None:
        super().__init__()
        self.model, self.interpolate = model, interpolate

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        more = {"interpolate_pos_encoding": True} if self.interpolate else {}
        return self.model(pixel_values=pixel_values, **more).logits


def load(_job: Job, path: Path, image_size: int | None) -> Classifier:
    folder = models.model_folder(path)
    if folder is None or not (folder / "trainer.json").is_file():
        raise JobError(f"{path} is not a checkpoint folder of the Hugging Face trainer (it has no trainer.json)")
    saved = json.loads((folder / "trainer.json").read_text(encoding="utf-8"))
    names, size = saved["class_names"], image_size or saved["image_size"]
    model = models.build(saved["task"], saved["model"], names, size, folder, saved["prompt"])
    norm = images.norm_of(saved["model"], folder)
    native = getattr(model.config, "vision_config", model.config).image_size
    return Classifier(Logits(model, native != size).eval(), names, images.eval_transform(size, norm), size, norm[0], norm[1], saved["model"] or model.config.model_type)
