"""Predictions: a test run on a labelled split, or an inference job on images.

From the environment that the agent prepares, or
`python predict.py --checkpoint best.ckpt --image photo.png --output out`.
"""

from __future__ import annotations

import sys
from typing import Any

import data
import model
from trainer_sdk import Job, JobError, Platform, run
from trainer_sdk.inference import InferenceRequest, Progress, final_callback, finish, warn_of_unsupported
from trainer_vision.metrics import prediction, results


def main(job: Job, platform: Platform) -> None:
    request = InferenceRequest.load(job, sys.argv[1:])
    network = model.load(request.checkpoint)
    warn_of_unsupported(platform)
    if request.labelled and data.class_names(job) != network.class_names:
        raise JobError(f"the checkpoint knows the classes {network.class_names}, the dataset has {data.class_names(job)}")
    samples = data.samples(job, request.split) if request.labelled else [(path, None) for path in request.images]
    progress = Progress(platform, len(samples))
    entries: list[dict[str, Any]] = []
    rows: dict[str, tuple[int, list[float]]] = {}
    for path, truth in samples:
        scores = model.predict(network, path, job.device)
        entries.append({"image_path": str(path), "predictions": prediction(network.class_names, scores), "ground_truth": truth})
        if truth is not None:
            rows[str(path)] = (truth, scores.tolist())
        progress.advance(1)
    finish(job, platform, request, entries, measured(network.class_names, rows) if request.labelled else None)


def measured(names: list[str], rows: dict[str, tuple[int, list[float]]]) -> dict[str, Any]:
    found = results(names, rows)
    fields = found.validation()
    return {"overall_metrics": found.metrics(), **{key: fields[key] for key in ("per_class_metrics", "confusion_matrix", "pr_curves")}}


if __name__ == "__main__":
    run(main, argv=[], fail=final_callback())
