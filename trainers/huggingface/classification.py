"""image_classification and zero_shot_classification: their images, and what a validation measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from reports import JobCallback
from trainer_sdk import Job
from trainer_vision.folders import SplitImages
from trainer_vision.metrics import ClassifierResults
from transformers import EvalPrediction


def images(job: Job) -> tuple[SplitImages, SplitImages]:
    train, val = SplitImages(job, "train"), SplitImages(job, "val")
    train.check_several_classes("train")
    return train, val


def measuring(names: Sequence[str], val: SplitImages, callback: JobCallback) -> Callable[[EvalPrediction], dict[str, float]]:
    """compute_metrics of Trainer; the callback gets the results."""

    def compute_metrics(predicted: EvalPrediction) -> dict[str, float]:
        logits = torch.from_numpy(np.asarray(predicted.predictions)).float()
        files = [str(Path(path).relative_to(val.root)) for path, _ in val.samples]
        labels = np.asarray(predicted.label_ids)
        callback.results = ClassifierResults(names, files, labels, logits.softmax(1).numpy().astype(float))
        return {**callback.results.metrics(), "val_loss": torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)).item()}

    return compute_metrics
