"""A checkpoint folder of the Hugging Face trainer as a classifier, or as a segmenter."""

from __future__ import annotations

import json
from pathlib import Path

import models
import preprocessing
import torch
from segmentation import full_size
from torch import nn
from trainer_sdk import Job, JobError
from trainer_vision.classifier import Classifier
from trainer_vision.masks import eval_transform
from trainer_vision.segmenter import Segmenter


class Logits(nn.Module):
    """A model of transformers as a function from images to logits."""

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        self.model, self.more = model, models.size_arguments(model, size)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=pixel_values, **self.more).logits


class Masks(Logits):
    """A segmenting model of transformers as a function from images to scores of their own size."""

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return full_size(super().forward(pixel_values), pixel_values.shape[-2:])


def segments(path: Path) -> bool:
    """Whether the checkpoint is a segmenter; one that cannot be read is none, and `load` says why."""
    try:
        folder = models.model_folder(path)
    except JobError:
        return False
    saved = folder / "trainer.json" if folder else path
    return saved.suffix == ".json" and saved.is_file() and bool(json.loads(saved.read_text(encoding="utf-8"))["task"] == "semantic_segmentation")


def load(_job: Job, path: Path, image_size: int | None) -> Classifier | Segmenter:
    folder = models.model_folder(path)
    if folder is None or not (folder / "trainer.json").is_file():
        raise JobError(f"{path} is not a checkpoint folder of the Hugging Face trainer (it has no trainer.json)")
    saved = json.loads((folder / "trainer.json").read_text(encoding="utf-8"))
    names, size = saved["class_names"], image_size or saved["image_size"]
    model = models.build(saved["task"], saved["model"], names, size, folder, saved["prompt"])
    how = preprocessing.of_model(saved["model"], folder, saved["image_size"]).at(size)
    name = saved["model"] or model.config.model_type
    if saved["task"] == "semantic_segmentation":
        transform = eval_transform(size, how.mean, how.std, preprocessing.RESAMPLE[how.resample])
        return Segmenter(Masks(model, size).eval(), names, transform, size, how.mean, how.std, name, saved["ignore_background"])
    return Classifier(Logits(model, size).eval(), names, preprocessing.eval_transform(how), size, how.mean, how.std, name)
