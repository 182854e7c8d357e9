"""Checkpoints of the timm trainer, in the layout that timm itself loads.

A file appears at once and complete (written beside, renamed), so whoever watches the folder never
sees a part. Only tensors and plain values are stored: it loads with weights_only. last.pt and epoch-N.pt
hold everything a resume needs, best.pt the weights and what describes them.
"""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch
from timm.scheduler.scheduler import Scheduler
from timm.utils import ModelEmaV3
from torch import nn
from trainer_sdk import JobError

FOR_A_RESUME = ("optimizer", "schedule", "scaler")


def save(state: dict[str, Any], target: Path, *also: Path) -> None:
    """Write a checkpoint; `also` are further names of the same file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.tmp")
    torch.save(state, partial)
    for name in also:
        link = name.with_name(f".{name.name}.tmp")
        link.unlink(missing_ok=True)
        try:
            os.link(partial, link)
        except OSError:  # a file system without hard links
            shutil.copyfile(partial, link)
        link.replace(name)
    partial.replace(target)


def weights_only(state: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint without what only a resume needs: of AdamW that is two thirds of the file."""
    return {key: value for key, value in state.items() if key not in FOR_A_RESUME}


def load(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's advice is to load it without care
        raise JobError(f"{path} is not a checkpoint of the timm trainer: it is broken, or holds more than tensors and plain values") from error
    except Exception as error:
        raise JobError(f"cannot read the checkpoint {path}: {error}") from error
    if not isinstance(state, dict) or "state_dict" not in state or "class_names" not in state:
        raise JobError(f"{path} is not a checkpoint of the timm trainer")
    return state


def snapshot(model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Scheduler, average: ModelEmaV3 | None, scaler: torch.amp.GradScaler, **more: Any) -> dict[str, Any]:
    return {
        "completed_epochs": more["epoch"],  # the agent reads it, where it comes first
        "state_dict": model.state_dict(),
        "state_dict_ema": average.module.state_dict() if average else None,
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "scaler": scaler.state_dict(),
        **more,
    }


def restore(state: dict[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Scheduler, average: ModelEmaV3 | None, scaler: torch.amp.GradScaler) -> None:
    try:
        model.load_state_dict(state["state_dict"])
        if "optimizer" in state:
            optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as error:
        raise JobError(f"the checkpoint does not fit the job's model and optimizer: {error}") from error
    if average and state["state_dict_ema"]:
        average.module.load_state_dict(state["state_dict_ema"])
    if "optimizer" not in state:
        print("[trainer] the checkpoint holds no optimizer, as best.pt does not: the optimizer starts fresh", flush=True)
        return
    if state["schedule"]:
        schedule.load_state_dict(state["schedule"])
    scaler.load_state_dict(state["scaler"])
