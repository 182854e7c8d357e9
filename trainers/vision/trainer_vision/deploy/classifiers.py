"""Classifiers and segmenters, as predict.py has them, ready to be exported. Needs torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from trainer_sdk import Job, JobError
from trainer_sdk.export import ExportRequest

from ..classifier import Classifier
from ..classifier_predict import of_classifier
from ..segmenter import Segmenter, predictor
from .subject import CLASSIFY, SEMANTIC, SHORTEST_CROP, STRETCH, Preprocess, Subject

Load = Callable[[Job, Path, int | None], Classifier | Segmenter]


def subjects(load: Load, framework: str) -> Callable[[Job, ExportRequest], Subject]:
    """How a trainer that loads a classifier or a segmenter exports it."""

    def subject(job: Job, request: ExportRequest) -> Subject:
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
            head, known = CLASSIFY, of_classifier(original, torch.device("cpu"))
        return Subject(trained.model.float().eval().requires_grad_(False), head, framework, trained.architecture, trained.names, trained.preprocess, known)

    return subject


def check(how: Preprocess) -> None:
    if how.mode not in (STRETCH, SHORTEST_CROP) or how.kernel not in ("bilinear", "bicubic"):
        raise JobError(f"this checkpoint's images are prepared by {how.mode} with {how.kernel} resampling, which metadata.json has no words for; train with a model that crops or squeezes, bilinear or bicubic")
