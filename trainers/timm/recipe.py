"""What a job trains with besides model and transforms: loss, optimizer, schedule, average; all from timm.

Each function reads the options it names and nothing else, so that a test can show that every option
of the schema changes what is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.loss import BinaryCrossEntropy, LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler import Scheduler
from timm.utils import ModelEmaV3
from torch import nn
from trainer_sdk import Job

Options = Mapping[str, Any]

LONGEST_WARMUP = 1 / 3  # of the training
SCHEDULES = {"none": "constant"}  # timm's "none" forgets layer_decay, its "constant" does not


def build_loss(mixed: bool, counts: Sequence[int], options: Options) -> nn.Module:
    """The loss; `counts` are the training images of every class."""
    weights = balanced_weights(counts) if options["class_weights"] == "balanced" else None
    smoothing = 0.0 if mixed else options["smoothing"]  # mixup has smoothed the labels
    if options["loss"] == "bce":
        return BinaryCrossEntropy(smoothing=smoothing, weight=weights, sum_classes=True)
    if weights is not None:
        return nn.CrossEntropyLoss(weight=weights, label_smoothing=smoothing)
    if mixed:
        return SoftTargetCrossEntropy()
    return LabelSmoothingCrossEntropy(smoothing) if smoothing else nn.CrossEntropyLoss()


def balanced_weights(counts: Sequence[int]) -> torch.Tensor:
    """Weights with which every class counts the same; their mean over the images is 1. A class without images has none."""
    seen = torch.tensor(counts, dtype=torch.float)
    return torch.where(seen > 0, seen.sum() / (seen > 0).sum() / seen.clamp(min=1), torch.zeros_like(seen))


def build_optimizer(model: nn.Module, learning_rate: float, options: Options) -> torch.optim.Optimizer:
    name = options["opt"]
    momentum: dict[str, Any] = {} if name in {"sgd", "rmsprop"} else {"betas": (options["momentum"], 0.99 if name == "lion" else 0.999)}
    return create_optimizer_v2(
        model, opt=name, lr=learning_rate, weight_decay=options["weight_decay"], momentum=options["momentum"],
        layer_decay=options["layer_decay"] if options["layer_decay"] < 1 else None, **momentum,
    )


def build_schedule(optimizer: torch.optim.Optimizer, job: Job, updates: int, options: Options) -> Scheduler:
    """The schedule, stepped at every batch (a plateau at every epoch); updates is their number in an epoch."""
    name = SCHEDULES.get(options["sched"], options["sched"])
    schedule, _ = create_scheduler_v2(
        optimizer, sched=name, num_epochs=job.epochs, warmup_epochs=min(options["warmup_epochs"], job.epochs * LONGEST_WARMUP),
        warmup_lr=job.learning_rate / 100, min_lr=min(options["min_lr"], job.learning_rate), decay_epochs=options["decay_epochs"],
        patience_epochs=options["decay_epochs"], decay_rate=options["poly_power"] if name == "poly" else options["decay_rate"],
        plateau_mode=job.primary_metric_mode, step_on_epochs=name == "plateau", updates_per_epoch=updates,
    )
    return schedule


def build_average(model: nn.Module, options: Options) -> ModelEmaV3 | None:
    """The moving average; it is warmed up by the number of updates, which update() must be given."""
    return ModelEmaV3(model, decay=options["model_ema_decay"], use_warmup=True) if options["model_ema"] else None
