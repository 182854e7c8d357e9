"""predict.py of the classifiers: a test run on a labelled split, or an inference job on images. Needs torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ImageDraw
from trainer_sdk import Job, Platform, run
from trainer_sdk.inference import InferenceRequest, Progress, final_callback, finish, warn_of_unsupported

from .classifier import Classifier, Load, labelled_samples
from .images import read_image
from .metrics import prediction, results
from .processes import torch_device


def predict(load: Load) -> None:
    def main(job: Job, platform: Platform) -> None:
        request = InferenceRequest.load(job, sys.argv[1:])
        classifier = load(job, request.checkpoint, request.image_size)
        warn_of_unsupported(platform)
        samples = labelled_samples(job, classifier, request.split) if request.labelled else [(p, None) for p in request.images]
        entries: list[dict[str, Any]] = []
        rows: dict[str, tuple[int, list[float]]] = {}
        progress = Progress(platform, len(samples))
        for path, truth, scores in scored(classifier, samples, request.batch_size, torch_device(job.device)):
            found = prediction(classifier.names, scores)
            entries.append({"image_path": str(path), "predictions": found, "ground_truth": truth})
            if truth is not None:
                rows[str(path)] = (truth, scores.tolist())
            if request.visualize:
                draw(path, f"{found['class_name']} {found['confidence']:.2f}", request.output_dir / "visualizations" / f"{progress.done:06}-{path.stem}.jpg")
            progress.advance(1)
        finish(job, platform, request, entries, metrics(classifier, rows) if request.labelled else None)

    run(main, argv=[], fail=final_callback())


@torch.inference_mode()
def scored(classifier: Classifier, samples: Sequence[tuple[Path, int | None]], batch_size: int, device: torch.device) -> Iterator[tuple[Path, int | None, np.ndarray]]:
    model = classifier.model.to(device).eval()
    for start in range(0, len(samples), batch_size):
        batch = samples[start : start + batch_size]
        images = torch.stack([classifier.transform(read_image(path)) for path, _ in batch]).to(device)
        scores = model(images).float().softmax(1).cpu().numpy()
        yield from ((path, truth, row) for (path, truth), row in zip(batch, scores, strict=True))


def metrics(classifier: Classifier, rows: dict[str, tuple[int, list[float]]]) -> dict[str, Any]:
    measured = results(list(classifier.names), rows)
    fields = measured.validation()
    return {"overall_metrics": measured.metrics(), **{k: fields[k] for k in ("per_class_metrics", "confusion_matrix", "pr_curves")}}


def draw(path: Path, text: str, target: Path) -> None:
    """The image with its class written on it."""
    image = read_image(path)
    canvas = ImageDraw.Draw(image)
    canvas.rectangle(canvas.textbbox((2, 2), text), fill="black")
    canvas.text((2, 2), text, fill="white")
    target.parent.mkdir(parents=True, exist_ok=True)
    image.save(target, quality=90)
