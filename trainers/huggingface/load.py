"""A checkpoint folder of the Hugging Face trainer as a classifier."""

from __future__ import annotations

import json
from pathlib import Path

import models
import preprocessing
import torch
from torch import nn
from trainer_sdk import Job, JobError
from trainer_vision.classifier import Classifier


class Logits(nn.Module):
    """A model of transformers as a function from images to logits."""

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        self.model, self.more = model, models.size_arguments(model, size)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=pixel_values, **self.more).logits


def load(_job: Job, path: Path, image_size: int | None) -> Classifier:
    folder = models.model_folder(path)
    if folder is None or not (folder / "trainer.json").is_file():
        raise JobError(f"{path} is not a checkpoint folder of the Hugging Face trainer (it has no trainer.json)")
    saved = json.loads((folder / "trainer.json").read_text(encoding="utf-8"))
    names, size = saved["class_names"], image_size or saved["image_size"]
    model = models.build(saved["task"], saved["model"], names, size, folder, saved["prompt"])
    how = preprocessing.of_model(saved["model"], folder, saved["image_size"]).at(size)
    return Classifier(Logits(model, size).eval(), names, preprocessing.eval_transform(how), size, how.mean, how.std, saved["model"] or model.config.model_type)
