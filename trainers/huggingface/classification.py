"""image_classification and zero_shot_classification: their images, and what a validation measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import preprocessing
import torch
from job_trainer import JobTrainer
from reports import JobCallback
from trainer_sdk import Job
from trainer_vision.folders import SplitImages
from trainer_vision.metrics import ClassifierResults
from transformers import EvalPrediction

IGNORED: Mapping[str, Any] = {}  # options that mean nothing here, and the value with which each is off


def splits(job: Job, _options: Mapping[str, Any]) -> tuple[SplitImages, SplitImages]:
    train, val = SplitImages(job, "train"), SplitImages(job, "val")
    train.check_several_classes("train")
    return train, val


def outputs(classes: Sequence[str], _options: Mapping[str, Any]) -> list[str]:
    return list(classes)


def set_transforms(train: SplitImages, val: SplitImages, how: preprocessing.Preprocessing, options: Mapping[str, Any]) -> None:
    train.transform, val.transform = preprocessing.train_transform(how, options), preprocessing.eval_transform(how)


def trainer(names: Sequence[str], val: SplitImages, callback: JobCallback, more: Mapping[str, Any], **arguments: Any) -> JobTrainer:
    return JobTrainer(data_collator=collator(more), compute_metrics=measuring(names, val, callback), eval_dataset=val, callbacks=[callback], **arguments)


def collator(more: Mapping[str, Any]) -> Callable[[list[tuple[torch.Tensor, Any, str]]], dict[str, Any]]:
    """Batches for the model's forward; `more` are its further arguments."""

    def collate(batch: list[tuple[torch.Tensor, Any, str]]) -> dict[str, Any]:
        labels = [torch.as_tensor(label) for _, label, _ in batch]
        return {"pixel_values": torch.stack([image for image, _, _ in batch]), "labels": torch.stack(labels), **more}

    return collate


def measuring(names: Sequence[str], val: SplitImages, callback: JobCallback) -> Callable[[EvalPrediction], dict[str, float]]:
    """compute_metrics of Trainer; the callback gets the results."""

    def compute_metrics(predicted: EvalPrediction) -> dict[str, float]:
        logits = torch.from_numpy(np.asarray(predicted.predictions)).float()
        files = [str(Path(path).relative_to(val.root)) for path, _ in val.samples]
        labels = np.asarray(predicted.label_ids)
        callback.results = ClassifierResults(names, files, labels, logits.softmax(1).numpy().astype(float))
        return {**callback.results.metrics(), "val_loss": torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)).item()}

    return compute_metrics
