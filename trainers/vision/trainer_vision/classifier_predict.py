"""predict.py of the classifiers, and of exported files: a trainer says how it loads its checkpoint. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from trainer_sdk import Job
from trainer_sdk.inference import InferenceRequest

from .classifier import Classifier, Load
from .classifier_explain import differentiable
from .deploy.exported import OTHERS, READERS, is_exported, read, refuse_others
from .inference import Predictor
from .inference import predict as predict_with
from .processes import ready_to_predict, torch_device
from .segmenter import with_labels

EXPORTED = OTHERS | set(READERS)  # one of these without our metadata is none of ours
ZERO_SHOT = "zero_shot_classification"  # the same to whoever uses it: an image, and the probability of every class


def predict(load: Load) -> None:
    def predictor(job: Job, request: InferenceRequest) -> Predictor:
        found = read(request) if is_exported(request.checkpoint) else trained(job, request)
        if found.task == "semantic_segmentation":  # an exported one: what it is stands in the file
            return with_labels(found, job)
        return as_named(found, job)

    def trained(job: Job, request: InferenceRequest) -> Predictor:
        refuse_others(request.checkpoint, EXPORTED)
        return of_classifier(load(job, request.checkpoint, request.image_size), torch_device(job.device))

    predict_with(predictor)


def as_named(found: Predictor, job: Job) -> Predictor:
    """A classifier by words is one, and which of the two the job calls it makes no difference."""
    return replace(found, task=job.task) if job.task == ZERO_SHOT and found.task == "image_classification" else found


def of_classifier(classifier: Classifier, device: torch.device) -> Predictor:
    model = classifier.model.to(device).eval()
    ready_to_predict(model)

    @torch.inference_mode()
    def infer(batch: list[torch.Tensor]) -> torch.Tensor:
        logits = model(torch.stack(batch).to(device))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return logits

    def decode(logits: torch.Tensor, _sizes: list[tuple[int, int]], _measured: bool) -> Sequence[np.ndarray]:
        return list(logits.float().softmax(1).cpu().numpy())

    settings: dict[str, Any] = {"image_size": classifier.size, "architecture": classifier.architecture}
    return Predictor(
        classifier.names, classifier.transform, infer, decode, settings=settings, task="image_classification",
        differentiable=lambda: differentiable(model, classifier.transform, classifier.mean, classifier.std, classifier.size, device),
    )
