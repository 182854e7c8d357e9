"""semantic_segmentation with transformers' Trainer: SegFormer, or any model of AutoModelForSemanticSegmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import preprocessing
import torch
from classification import collator
from job_trainer import JobTrainer
from reports import JobCallback
from torch import nn
from torch.nn import functional
from trainer_sdk import Job
from trainer_vision.mask_metrics import MaskResults
from trainer_vision.masks import IGNORE, SplitMasks, eval_transform, train_transform
from trainer_vision.masks import outputs as told_apart
from transformers import EvalPrediction, TrainingArguments

IGNORED: Mapping[str, Any] = {"auto_augment": "none"}  # options that mean nothing for masks, and the value with which each is off


def splits(job: Job, options: Mapping[str, Any]) -> tuple[SplitMasks, SplitMasks]:
    train, val = (SplitMasks(job, split, options["ignore_background"]) for split in ("train", "val"))
    train.check_labelled("train")
    val.check_labelled("val")
    train.check_several_classes("train")
    return train, val


def outputs(classes: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    return told_apart(classes, options["ignore_background"])


def set_transforms(train: SplitMasks, val: SplitMasks, how: preprocessing.Preprocessing, options: Mapping[str, Any]) -> None:
    look = (how.size, how.mean, how.std, preprocessing.RESAMPLE[how.resample])
    train.transform = train_transform(*look, **{key: options[key] for key in ("crop_scale_min", "hflip", "color_jitter", "reprob")})
    val.transform = eval_transform(*look)


def trainer(names: Sequence[str], val: SplitMasks, callback: JobCallback, more: Mapping[str, Any], *, args: TrainingArguments, **arguments: Any) -> MaskTrainer:
    args.batch_eval_metrics = True
    return MaskTrainer(
        args=args, data_collator=collator(more), compute_metrics=Measuring(names, val, callback), preprocess_logits_for_metrics=reduced,
        eval_dataset=val, callbacks=[callback], **arguments,
    )


def full_size(logits: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """SegFormer answers with a quarter of the side, as others do."""
    return functional.interpolate(logits.float(), size=tuple(size), mode="bilinear", align_corners=False)


def loss(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    return functional.cross_entropy(full_size(logits, labels.shape[-2:]), labels, ignore_index=IGNORE, label_smoothing=smoothing)


def reduced(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What is kept of a batch: the predicted classes, and of every image the sum of its pixels' losses and their number."""
    scores = full_size(logits, labels.shape[-2:])
    each = functional.cross_entropy(scores, labels, ignore_index=IGNORE, reduction="none")
    return scores.argmax(1).to(torch.int16), each.sum((1, 2)), (labels >= 0).sum((1, 2))


class Measuring:
    """compute_metrics of Trainer, batch by batch: masks of a whole split would not fit into memory."""

    def __init__(self, names: Sequence[str], val: SplitMasks, callback: JobCallback) -> None:
        self.names, self.val, self.callback = names, val, callback
        self._start()

    def _start(self) -> None:
        self.results = MaskResults(self.names, len(self.val.classes))
        self.loss, self.pixels = 0.0, 0

    def __call__(self, predicted: EvalPrediction, compute_result: bool = True) -> dict[str, float]:
        masks, losses, pixels = (_numpy(part) for part in predicted.predictions)
        for mask, truth in zip(masks, _numpy(predicted.label_ids), strict=True):
            self.results.add(self.val.images[len(self.results.rows)]["file_name"], truth, mask)
        self.loss, self.pixels = self.loss + float(losses.sum()), self.pixels + int(pixels.sum())
        if not compute_result:
            return {}
        self.callback.results = self.results
        measured = {**self.results.metrics(), "val_loss": self.loss / max(self.pixels, 1)}
        self._start()
        return measured


def _numpy(part: Any) -> np.ndarray:
    return torch.as_tensor(part).cpu().numpy()


class MaskTrainer(JobTrainer):
    """Trainer with the cross-entropy of pixels as its loss, whatever loss the model has of its own."""

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        labels = inputs["labels"]
        logits = model(**{key: value for key, value in inputs.items() if key != "labels"}).logits
        value = loss(logits, labels, self.args.label_smoothing_factor if model.training else 0.0)
        return (value, {"logits": logits}) if return_outputs else value
