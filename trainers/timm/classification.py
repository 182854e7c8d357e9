"""What a training of image_classification is made of: images, model, loss, and how a validation is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import augmentation
import numpy as np
import recipe
import torch
from model import build_model
from torch.nn import functional
from trainer_sdk import Job, Platform
from trainer_vision.folders import SplitImages
from trainer_vision.metrics import ClassifierResults, results
from trainer_vision.processes import gather


class Classification:
    def __init__(self, job: Job, platform: Platform, options: Mapping[str, Any]) -> None:
        self.train, self.val = SplitImages(job, "train"), SplitImages(job, "val")
        self.train.check_several_classes("train")
        self.names = [c.name for c in self.train.classes]
        weights = None if job.resume_checkpoint else job.pretrained_weights
        self.model = build_model(job.model, self.names, job.image_size, options, weights, platform)
        config = augmentation.data_config(self.model, job.image_size)
        self.train.transform, self.val.transform = augmentation.train_transform(config, options), augmentation.eval_transform(config)
        self.mixup = augmentation.build_mixup(len(self.names), job.batch_size, options)
        self.loss = recipe.build_loss(self.mixup is not None, self.train.counts(), options)

    def scores(self) -> ClassScores:
        return ClassScores(self.names)


class ClassScores:
    """Collects a validation: the scores and the true cross-entropy of every file."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.rows: dict[str, tuple[int, np.ndarray]] = {}
        self.losses: dict[str, float] = {}

    def add(self, output: torch.Tensor, labels: torch.Tensor, files: Sequence[str]) -> None:
        each = functional.cross_entropy(output, labels, reduction="none").tolist()
        self.rows.update(zip(files, zip(labels.tolist(), output.softmax(1).float().cpu().numpy(), strict=True), strict=True))
        self.losses.update(zip(files, each, strict=True))

    def finish(self) -> tuple[ClassifierResults, float]:
        """The results of all processes, and the mean loss of an image."""
        for rows, losses in gather((self.rows, self.losses)):
            self.rows.update(rows)
            self.losses.update(losses)
        return results(self.names, self.rows), sum(self.losses.values()) / max(len(self.losses), 1)
