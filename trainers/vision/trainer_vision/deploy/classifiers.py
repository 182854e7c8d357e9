"""Classifiers and segmenters, as predict.py has them, ready to be exported. Needs torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from trainer_sdk import Job, JobError
from trainer_sdk.export import ExportRequest

from ..classifier import Classifier
from ..classifier_predict import as_named, of_classifier
from ..segmenter import Segmenter, predictor
from . import matrix
from .subject import CLASSIFY, SEMANTIC, SHORTEST_CROP, STRETCH, Preprocess, Subject

Load = Callable[[Job, Path, int | None], Classifier | Segmenter]
Ready = Callable[[nn.Module, tuple[int, int]], None]


def subjects(load: Load, framework: str, ready: Ready = lambda _model, _size: None) -> Callable[[Job, ExportRequest], Subject]:
    """How a trainer that loads a classifier or a segmenter exports it. `ready` changes the model for one size of images; the original stays as it was."""

    def subject(job: Job, request: ExportRequest) -> Subject:
        if os.environ.get("TASK_TYPE") and (reason := matrix.model_refusal(framework, job.task)):  # else the checkpoint's own task counts
            raise JobError(reason)
        size = request.input_size
        if size and size[0] != size[1]:
            raise JobError(f"INPUT_SIZE {list(size)} is not square, which these models want")
        trained = load(job, request.checkpoint, size[0] if size else None)
        check(trained.preprocess)
        original = load(job, request.checkpoint, size[0] if size else None)
        if isinstance(trained, Segmenter):
            assert isinstance(original, Segmenter)
            head, known = SEMANTIC, predictor(original, job)
        else:
            assert isinstance(original, Classifier)
            head, known = CLASSIFY, as_named(of_classifier(original, torch.device("cpu")), job)
        ready(trained.model, (trained.preprocess.height, trained.preprocess.width))
        return Subject(trained.model.float().eval().requires_grad_(False), head, framework, trained.architecture, trained.names, trained.preprocess, known)

    return subject


def check(how: Preprocess) -> None:
    if how.mode not in (STRETCH, SHORTEST_CROP) or how.kernel not in ("bilinear", "bicubic"):
        raise JobError(f"this checkpoint's images are prepared by {how.mode} with {how.kernel} resampling, which metadata.json has no words for; train with a model that crops or squeezes, bilinear or bicubic")
