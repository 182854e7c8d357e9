"""What a job trains with: model, transforms, loss, optimizer and schedule, all from timm.

Each function reads the options it names and nothing else, so that a test can show that every option
of the schema changes what is built.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import Mixup, create_transform, resolve_data_config
from timm.loss import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.models import load_state_dict
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler import Scheduler
from timm.utils import ModelEmaV3
from torch import nn
from trainer_sdk import Job, JobError

Options = Mapping[str, Any]


def build_model(name: str, classes: int, image_size: int, options: Options) -> nn.Module:
    """The model with fresh weights and no network access."""
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 5)
        raise JobError(f"MODEL_NAME {name!r} is not a model of timm" + (f"; near it: {', '.join(near)}" if near else ""))
    pretrained = timm.get_pretrained_cfg(name)
    arguments: dict[str, Any] = {"num_classes": classes, "drop_rate": options["drop"]}
    if options["drop_path"]:
        arguments["drop_path_rate"] = options["drop_path"]
    if pretrained is not None and pretrained.fixed_input_size:
        arguments["img_size"] = image_size
    try:
        model = timm.create_model(name, pretrained=False, **arguments)
    except (AssertionError, ValueError, TypeError, RuntimeError) as error:
        raise JobError(f"cannot build {name} for {image_size} px with {arguments}: {error}") from error
    if options["freeze_backbone"]:
        model.requires_grad_(False)
        model.get_classifier().requires_grad_(True)
    return model


def load_weights(model: nn.Module, path: Path) -> None:
    """Start from a checkpoint of the same model; a classifier of another size starts fresh."""
    try:
        weights = load_state_dict(str(path))
    except Exception as error:
        raise JobError(f"cannot read the weights {path}: {error}") from error
    own = model.state_dict()
    fitting = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
    if len(fitting) < len(own) // 2:
        raise JobError(f"the weights {path} fit {len(fitting)} of the model's {len(own)} tensors; they belong to another model")
    model.load_state_dict(fitting, strict=False)
    print(f"[trainer] weights: {len(fitting)} of {len(own)} tensors from {path.name}", flush=True)


def data_config(model: nn.Module, image_size: int) -> dict[str, Any]:
    """Input size, mean, std, crop and interpolation that the model was designed for."""
    return resolve_data_config({"input_size": (3, image_size, image_size)}, model=model)


def train_transform(config: Mapping[str, Any], options: Options) -> Callable[[Any], torch.Tensor]:
    policy = options["auto_augment"]
    return create_transform(
        config["input_size"], is_training=True, scale=(max(options["crop_scale_min"], 0.01), 1.0), hflip=options["hflip"], vflip=options["vflip"],
        color_jitter=options["color_jitter"], auto_augment=None if policy == "none" else policy,
        interpolation=config["interpolation"], mean=config["mean"], std=config["std"], re_prob=options["reprob"], re_mode="pixel",
    )


def eval_transform(config: Mapping[str, Any]) -> Callable[[Any], torch.Tensor]:
    return create_transform(
        config["input_size"], is_training=False, interpolation=config["interpolation"], mean=config["mean"], std=config["std"],
        crop_pct=config["crop_pct"], crop_mode=config["crop_mode"],
    )


def build_mixup(classes: int, batch_size: int, options: Options) -> Mixup | None:
    if not (options["mixup"] or options["cutmix"]):
        return None
    if batch_size % 2:
        raise JobError(f"mixup and cutmix pair the images of a batch: BATCH_SIZE {batch_size} must be even")
    return Mixup(mixup_alpha=options["mixup"], cutmix_alpha=options["cutmix"], label_smoothing=options["smoothing"], num_classes=classes)


def build_loss(mixed: bool, options: Options) -> nn.Module:
    if mixed:
        return SoftTargetCrossEntropy()  # mixup has smoothed the labels
    return LabelSmoothingCrossEntropy(options["smoothing"]) if options["smoothing"] else nn.CrossEntropyLoss()


def build_optimizer(model: nn.Module, learning_rate: float, options: Options) -> torch.optim.Optimizer:
    name = options["opt"]
    momentum: dict[str, Any] = {} if name in {"sgd", "rmsprop"} else {"betas": (options["momentum"], 0.99 if name == "lion" else 0.999)}
    return create_optimizer_v2(
        model, opt=name, lr=learning_rate, weight_decay=options["weight_decay"], momentum=options["momentum"],
        layer_decay=options["layer_decay"] if options["layer_decay"] < 1 else None, **momentum,
    )


def build_schedule(optimizer: torch.optim.Optimizer, job: Job, updates: int, options: Options) -> Scheduler | None:
    """The schedule, stepped at every update (a plateau at every epoch); updates is their number in an epoch."""
    if options["sched"] == "none":
        return None
    schedule, _ = create_scheduler_v2(
        optimizer, sched=options["sched"], num_epochs=job.epochs, warmup_epochs=min(options["warmup_epochs"], max(job.epochs - 1, 0)),
        warmup_lr=job.learning_rate / 100, min_lr=min(options["min_lr"], job.learning_rate), decay_epochs=options["decay_epochs"],
        patience_epochs=options["decay_epochs"], decay_rate=options["decay_rate"], plateau_mode=job.primary_metric_mode,
        step_on_epochs=options["sched"] == "plateau", updates_per_epoch=updates,
    )
    return schedule


def build_average(model: nn.Module, options: Options) -> ModelEmaV3 | None:
    return ModelEmaV3(model, decay=options["model_ema_decay"], use_warmup=True) if options["model_ema"] else None
