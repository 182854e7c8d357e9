"""A trained segmenter as predict.py and export.py use it, and predict.py itself. Needs torch.

A test run compares with the masks of a labelled split; an inference job writes a mask for every image: a grey PNG of the
image's own size whose values are class indices.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from trainer_sdk import Job, JobError

from .deploy.subject import Preprocess
from .inference import Mask, Predictor, predict
from .masks import BACKGROUND, Joint, SplitMasks, painted
from .processes import ready_to_predict, torch_device


@dataclass(frozen=True)
class Segmenter:
    """A trained model, ready to segment."""

    model: nn.Module  # images (n, 3, h, w) → scores (n, outputs, h, w)
    names: Sequence[str]  # what it tells apart; the background, where it is one of them, comes last
    transform: Joint
    preprocess: Preprocess  # what `transform` does, in words of metadata.json
    architecture: str
    ignore_background: bool

    @property
    def classes(self) -> list[str]:
        return list(self.names if self.ignore_background else self.names[:-1])


def named_checkpoint() -> Path:
    """The checkpoint that this process is about; what is wrong with it the program says that reads it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--checkpoint", default=os.environ.get("CHECKPOINT_FILE", ""))
    return Path(parser.parse_known_args()[0].checkpoint)


def predict_masks(load: Callable[[Job, Path, int | None], Segmenter]) -> None:
    """predict.py of a trainer that segments."""
    predict(lambda job, request: predictor(load(job, request.checkpoint, request.image_size), job))


def predictor(segmenter: Segmenter, job: Job) -> Predictor:
    device = torch_device(job.device)
    model = segmenter.model.to(device).eval()
    ready_to_predict(model)

    def prepare(image: Image.Image) -> torch.Tensor:
        return segmenter.transform(image, torch.zeros(image.height, image.width, dtype=torch.int64))[0]

    @torch.inference_mode()
    def infer(batch: list[torch.Tensor]) -> torch.Tensor:
        scores = model(torch.stack(batch).to(device)).float()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return scores

    @torch.inference_mode()
    def decode(scores: torch.Tensor, sizes: list[tuple[int, int]], _measured: bool) -> Sequence[Mask]:
        return [Mask(best(one, width, height).cpu().numpy(), bool(one.isfinite().all())) for one, (width, height) in zip(scores, sizes, strict=True)]

    return Predictor(
        segmenter.names, prepare, infer, decode, truth=Labels(segmenter.classes, segmenter.ignore_background, job).read, task="semantic_segmentation", classes=len(segmenter.classes),
        settings={"image_size": segmenter.preprocess.height, "architecture": segmenter.architecture},
    )


def best(scores: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """Of each pixel the class with the highest score, in the image's own size: class after class, for all classes of a photo of
    24 megapixels are gigabytes."""
    highest = torch.full((height, width), -torch.inf, device=scores.device)
    found = torch.zeros((height, width), dtype=torch.int32, device=scores.device)
    for index, one in enumerate(scores):
        large = functional.interpolate(one[None, None], size=(height, width), mode="bilinear", align_corners=False)[0, 0]
        found.masked_fill_(large > highest, index)
        torch.maximum(highest, large, out=highest)
    return found


def with_labels(exported: Predictor, job: Job) -> Predictor:
    """An exported segmenter that can be measured. Its names say whether the background is one of its answers, unless the dataset has a class of that name."""
    classes, names = [c.name for c in job.classes()], list(exported.names)
    ignore_background = names == classes or names[-1] != BACKGROUND
    known = names if ignore_background else names[:-1]
    return replace(exported, truth=Labels(known, ignore_background, job).read, classes=len(known))


class Labels:
    """The masks of a prepared dataset, painted when they are asked for."""

    def __init__(self, classes: Sequence[str], ignore_background: bool, job: Job) -> None:
        self.classes, self.ignore_background, self.job = list(classes), ignore_background, job
        self.splits: dict[str, tuple[SplitMasks, dict[str, Any]]] = {}

    def read(self, path: Path, width: int, height: int) -> Mask:
        split, *inside = path.relative_to(self.job.dataset_dir / "images").parts
        if split not in self.splits:
            masks = self._labelled(split)
            self.splits[split] = masks, {entry["file_name"]: entry["id"] for entry in masks.images}
        masks, ids = self.splits[split]
        return Mask(painted(masks.annotations[ids["/".join(inside)]], height, width, masks.background))

    def _labelled(self, split: str) -> SplitMasks:
        masks = SplitMasks(self.job, split, self.ignore_background)
        if [c.name for c in masks.classes] != self.classes:
            raise JobError(f"the checkpoint knows the classes {self.classes}, the dataset has {[c.name for c in masks.classes]}")
        return masks
