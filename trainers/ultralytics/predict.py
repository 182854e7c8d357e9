"""Predictions of a YOLO checkpoint: a test run on a labelled split, or an inference job on images.

From the environment (contract §2), or `predict.py --checkpoint best.pt --image photo.jpg --output out`.
"""

from __future__ import annotations

import offline  # noqa: F401  before ultralytics
from trainer_sdk import Job
from trainer_sdk.inference import InferenceRequest
from trainer_vision.deploy.exported import is_exported, read, refuse_others
from trainer_vision.inference import Predictor, predict
from yolo import Labels, classifier, detector, device, load_model


def load(job: Job, request: InferenceRequest) -> Predictor:
    if is_exported(request.checkpoint):
        return read(request, lambda task: None if task == "classify" else Labels(job, task).read)
    refuse_others(request.checkpoint)
    model = load_model(request.checkpoint, job.task)
    return (classifier if model.task == "classify" else detector)(model, job, request, device(job))


if __name__ == "__main__":
    predict(load)
