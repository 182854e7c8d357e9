"""predict.py of the classifiers: a trainer says how it loads its checkpoint. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from trainer_sdk import Job
from trainer_sdk.inference import InferenceRequest

from .classifier import Classifier, Load
from .classifier_explain import differentiable
from .inference import Predictor
from .inference import predict as predict_with
from .processes import torch_device


def predict(load: Load) -> None:
    def predictor(job: Job, request: InferenceRequest) -> Predictor:
        return of_classifier(load(job, request.checkpoint, request.image_size), torch_device(job.device))

    predict_with(predictor)


def of_classifier(classifier: Classifier, device: torch.device) -> Predictor:
    model = classifier.model.to(device).eval()

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
        classifier.names, classifier.transform, infer, decode, settings=settings,
        differentiable=lambda: differentiable(model, classifier.transform, classifier.mean, classifier.std, classifier.size, device),
    )
