"""A checkpoint folder of the Hugging Face trainer as what it was trained to be: a classifier, a segmenter or a detector."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import detection
import models
import numpy as np
import preprocessing
import torch
from PIL import Image
from segmentation import full_size
from torch import nn
from trainer_sdk import Job, JobError
from trainer_sdk.inference import InferenceRequest
from trainer_vision.classifier import Classifier
from trainer_vision.deploy.subject import SHORTEST_CROP, STRETCH, Preprocess
from trainer_vision.inference import Objects, Predictor
from trainer_vision.masks import eval_transform
from trainer_vision.processes import ready_to_predict, torch_device
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


def trained_for(path: Path) -> str:
    """The task of a checkpoint; of one that cannot be read that of a classifier, and `load` says why."""
    try:
        return str(_saved(path)[1]["task"])
    except JobError:
        return "image_classification"


def _saved(path: Path) -> tuple[Path, dict[str, Any]]:
    folder = models.model_folder(path)
    if folder is None or not (folder / "trainer.json").is_file():
        raise JobError(f"{path} is not a checkpoint folder of the Hugging Face trainer (it has no trainer.json)")
    return folder, json.loads((folder / "trainer.json").read_text(encoding="utf-8"))


def _built(path: Path, image_size: int | None) -> tuple[dict[str, Any], models.PreTrainedModel, preprocessing.Preprocessing]:
    folder, saved = _saved(path)
    size = image_size or saved["image_size"]
    model = models.build(saved["task"], saved["model"], saved["class_names"], size, folder, saved["prompt"])
    return saved, model.eval(), preprocessing.of_model(saved["model"], folder, saved["image_size"]).at(size)


def load(_job: Job, path: Path, image_size: int | None) -> Classifier | Segmenter:
    saved, model, how = _built(path, image_size)
    names, name = saved["class_names"], saved["model"] or model.config.model_type
    if saved["task"] == "object_detection":
        raise JobError(f"{path} is a detector ({name}), which this trainer does not export; use it with predict.py")
    if saved["task"] == "semantic_segmentation":
        transform = eval_transform(how.size, how.mean, how.std, preprocessing.RESAMPLE[how.resample])
        return Segmenter(Masks(model, how.size).eval(), names, transform, described(how), name, saved["ignore_background"])
    return Classifier(Logits(model, how.size).eval(), names, preprocessing.eval_transform(how), described(how), name)


def described(how: preprocessing.Preprocessing) -> Preprocess:
    mode = STRETCH if how.resize is None else SHORTEST_CROP
    return Preprocess(mode, how.size, how.size, how.resize, preprocessing.RESAMPLE[how.resample].value, True, how.mean, how.std)


def detector(job: Job, request: InferenceRequest) -> Predictor:
    saved, model, how = _built(request.checkpoint, request.image_size)
    device = torch_device(job.device)
    model.to(device)
    ready_to_predict(model)
    transform = detection.eval_transform(how)
    nothing = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    confidence = detection.CONFIDENCE if request.confidence is None else request.confidence

    def prepare(image: Image.Image) -> torch.Tensor:
        return transform(image, *nothing)[0]

    @torch.inference_mode()
    def infer(batch: list[torch.Tensor]) -> np.ndarray:
        outputs = model(pixel_values=torch.stack(batch).to(device))
        return detection.best_boxes(outputs.logits, outputs.pred_boxes, len(saved["class_names"])).cpu().numpy()

    def decode(rows: np.ndarray, sizes: list[tuple[int, int]], measured: bool) -> Sequence[Objects]:
        every = [detection.objects(found, width, height) for found, (width, height) in zip(rows, sizes, strict=True)]
        return every if measured else [detection.sure(found, confidence) for found in every]

    settings = {"confidence": confidence, "image_size": how.size, "architecture": saved["model"] or model.config.model_type}
    return Predictor(saved["class_names"], prepare, infer, decode, task="object_detection", truth=detection.Labels(job).read, settings=settings)
