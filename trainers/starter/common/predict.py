"""Predictions: a test run on a labelled split, or an inference job on images.

From the environment that the agent prepares, or
`python predict.py --checkpoint best.ckpt --image photo.png --output out`.

Everything around the model (reading, batches, metrics, drawings, the report) is trainer_vision's; this
file says how an image becomes an input, and an input an answer.
"""

from __future__ import annotations

import model
from trainer_sdk import Job
from trainer_sdk.inference import InferenceRequest
from trainer_vision.inference import Predictor, predict


def load(job: Job, request: InferenceRequest) -> Predictor:
    network = model.load(request.checkpoint)
    return Predictor(
        names=network.class_names,
        prepare=lambda image: model.prepare(image, network.image_size),
        infer=lambda batch: model.predict(network, batch, job.device),
        decode=lambda scores, _sizes, _measured: list(scores),
        settings={"image_size": network.image_size},
        differentiable=model.differentiable(network, job.device),
    )


if __name__ == "__main__":
    predict(load)
