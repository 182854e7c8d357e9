"""A trained segmenter as predict.py and export.py use it, and predict.py itself. Needs torch.

A test run compares with the masks of a labelled split; an inference job writes a mask for every image: a grey PNG of the
image's own size whose values are class indices.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from trainer_sdk import Job, JobError, Platform, now, run
from trainer_sdk.inference import InferenceRequest, InputImage, Progress, final_callback

from .images import read_image
from .inference.outputs import write_results
from .mask_metrics import MaskResults
from .masks import Joint, SplitMasks, painted, save_mask
from .processes import torch_device

Truth = Callable[[int, int], np.ndarray]
"""(height, width) → the labelled mask."""


@dataclass(frozen=True)
class Segmenter:
    """A trained model, ready to segment."""

    model: nn.Module  # images (n, 3, h, w) → scores (n, outputs, h, w)
    names: Sequence[str]  # what it tells apart; the background, where it is one of them, comes last
    transform: Joint
    size: int  # pixels, both sides
    mean: Sequence[float]
    std: Sequence[float]
    architecture: str
    ignore_background: bool

    @property
    def classes(self) -> list[str]:
        return list(self.names if self.ignore_background else self.names[:-1])

    def mask(self, image: Image.Image) -> np.ndarray:
        """The class index of every pixel of the image, in its own size."""
        pixels, _ = self.transform(image, torch.zeros(image.height, image.width, dtype=torch.int64))
        device = next(self.model.parameters()).device
        with torch.inference_mode():
            scores = functional.interpolate(self.model(pixels[None].to(device)).float(), size=(image.height, image.width), mode="bilinear", align_corners=False)
        return scores[0].argmax(0).cpu().numpy()


def named_checkpoint() -> Path:
    """The checkpoint that this process is about; what is wrong with it the program says that reads it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--checkpoint", default=os.environ.get("CHECKPOINT_FILE", ""))
    return Path(parser.parse_known_args()[0].checkpoint)


def predict_masks(load: Callable[[Job, Path, int | None], Segmenter]) -> None:
    """predict.py of a trainer that segments."""

    def main(job: Job, platform: Platform) -> None:
        request = InferenceRequest.load(job, sys.argv[1:])
        predict(load(job, request.checkpoint, request.image_size), job, platform, request)

    run(main, argv=[], fail=final_callback())


def predict(segmenter: Segmenter, job: Job, platform: Platform, request: InferenceRequest) -> None:
    segmenter.model.to(torch_device(job.device)).eval()
    say_unexplained(platform)
    split = labelled_split(segmenter, job, request.split) if request.labelled else None
    images = list(_images(request, split))
    progress = Progress(platform, len(images))
    results = MaskResults(segmenter.names, len(segmenter.classes))
    records = []
    for image, name, truth in images:
        record: dict[str, Any] = {"image_path": image.uri or name, "predictions": None, "error": image.error}
        if image.error is None:
            try:
                record |= _record(segmenter, request, image.path, progress.done, results, name, truth)
            except JobError as error:  # one that cannot be read is a record, not the end
                record["error"] = str(error)
        records.append(record)
        progress.advance(1)
    if all(record["error"] for record in records):
        raise JobError(f"none of the {len(records)} images could be used; the first: {records[0]['error']}")
    finish(job, platform, request, records, metrics(results) if split else None)


def say_unexplained(platform: Platform) -> None:
    if os.environ.get("ENABLE_XAI", "").lower() in {"true", "1", "yes"}:
        platform.event("xai_unsupported", "ENABLE_XAI: masks are not explained; the predictions follow without", {})


def _record(segmenter: Segmenter, request: InferenceRequest, path: Path, at: int, results: MaskResults, name: str, truth: Truth | None) -> dict[str, Any]:
    image = read_image(path)
    found = segmenter.mask(image)
    target = request.output_dir / "masks" / f"{at:06}-{path.stem}.png"
    save_mask(found, target)
    if truth is not None:
        results.add(name, truth(image.height, image.width), found)
    if request.visualize:
        draw(image, found, segmenter, request.output_dir / "visualizations" / f"{at:06}-{path.stem}.jpg")
    return {"width": image.width, "height": image.height, "predictions": {"mask_path": str(target.relative_to(request.output_dir)), "classes": shown(segmenter.names, found)}}


def finish(job: Job, platform: Platform, request: InferenceRequest, records: list[dict[str, Any]], measured: dict[str, Any] | None) -> None:
    head = {
        "job_id": job.id, "inference_type": "test_run" if measured else "inference_job", "task_type": "semantic_segmentation", "num_images": len(records),
        "num_failed": sum(record["error"] is not None for record in records), "generated_at": now(), **(measured or {}),
    }
    write_results(request.output_dir / "results.json", head, records)
    drawn = request.output_dir / "visualizations"
    paths = {"results_path": "results.json", "visualizations_path": "visualizations/" if drawn.is_dir() else None, "xai_results_path": None}
    if measured:
        platform.test_run_done({**paths, **measured})
    else:
        platform.inference_done(paths)


def labelled_split(segmenter: Segmenter, job: Job, split: str) -> SplitMasks:
    masks = SplitMasks(job, split, segmenter.ignore_background)
    if [c.name for c in masks.classes] != segmenter.classes:
        raise JobError(f"the checkpoint knows the classes {segmenter.classes}, the dataset has {[c.name for c in masks.classes]}")
    return masks


def _images(request: InferenceRequest, split: SplitMasks | None) -> Iterator[tuple[InputImage, str, Truth | None]]:
    if split is None:
        yield from ((image, str(image.path), None) for image in request.images)
        return
    for entry in split.images:
        annotations = split.annotations[entry["id"]]
        yield InputImage(split.root / entry["file_name"]), entry["file_name"], functools.partial(painted, annotations, background=split.background)


def shown(names: Sequence[str], mask: np.ndarray) -> list[dict[str, Any]]:
    """The classes in a mask, with their share of its pixels."""
    found, pixels = np.unique(mask, return_counts=True)
    return [{"class_id": int(i), "class_name": names[i], "share": round(float(n / mask.size), 5)} for i, n in zip(found, pixels, strict=True)]


def metrics(results: MaskResults) -> dict[str, Any]:
    fields = results.validation()
    return {"overall_metrics": results.metrics(), "per_class_metrics": fields["per_class_metrics"], "confusion_matrix": fields["confusion_matrix"], "pr_curves": None}


def exported_metrics(segmenter: Segmenter, job: Job, call: Callable[[torch.Tensor], torch.Tensor], raw: bool) -> tuple[float, float]:
    """mIoU of the exported and of the original model on the val split; raw: the exported one takes RGB from 0 to 255."""
    split = labelled_split(segmenter, job, "val")
    split.transform = segmenter.transform
    low, high = torch.tensor(segmenter.mean).view(3, 1, 1), torch.tensor(segmenter.std).view(3, 1, 1)
    results = [MaskResults(segmenter.names, len(segmenter.classes)) for _ in range(2)]
    for image, truth, name in (split[i] for i in range(len(split))):
        with torch.inference_mode():
            answers = (call(((image * high + low) * 255 if raw else image)[None]), segmenter.model.eval()(image[None]))
        for found, answer in zip(results, answers, strict=True):
            found.add(name, truth.numpy(), answer[0].argmax(0).cpu().numpy())
    exported, original = (found.metrics()["mIoU"] for found in results)
    return exported, original


def draw(picture: Image.Image, mask: np.ndarray, segmenter: Segmenter, target: Path) -> None:
    """The image with the classes laid over it; the background stays as it is."""
    image = np.asarray(picture).astype(float)
    colours = np.random.default_rng(0).integers(40, 255, (len(segmenter.names), 3))
    covered = mask < len(segmenter.classes)
    image[covered] = (image[covered] + colours[mask[covered]]) / 2
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.astype(np.uint8)).save(target, quality=90)
