"""Ultralytics' checkpoints as they are read before a training: what is none ends the job with the reason."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import ultralytics
from heads import Head, in_order
from torch import nn
from trainer_sdk import Job, JobError
from trainer_vision.resume import check_same, check_same_classes
from trainer_vision.weight_files import check_file
from ultralytics.nn.tasks import load_checkpoint, torch_safe_load


def read_checkpoint(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The model in a checkpoint, and what else is in it. Ultralytics' own advice, to take another model, is left out."""
    check_file(path)
    if path.suffix != ".pt":
        raise JobError(f"the weights {path} are not a .pt file, which is what Ultralytics loads")
    try:
        model, state = load_checkpoint(path)
    except Exception as error:
        raise JobError(f"the weights {path} {why_unreadable(path) or NO_MODEL}") from error
    return model, state


NO_MODEL = "hold no model of Ultralytics: save them with Ultralytics itself, tensors alone (a state_dict) are not enough"


def why_unreadable(path: Path) -> str:
    """What is wrong with a file that torch cannot load, "" where it can."""
    try:
        torch_safe_load(str(path))
    except Exception as error:
        return why(error)
    return ""


def why(error: Exception) -> str:
    version, name = f"Ultralytics {ultralytics.__version__}", refused_name(error)
    if name.startswith(("ultralytics.", "torch.")):
        return f"are of another version than {version}, which does not load {name}"
    if name:
        return f"name {name}, which is no part of a model of {version} and would run while they are loaded: use weights that Ultralytics saved, or set ULTRALYTICS_SAFE_LOAD=false if you trust who made these"
    if any(text in str(error) for text in ("Can't get attribute", "missing Ultralytics module")):  # with ULTRALYTICS_SAFE_LOAD=false
        return f"are of another version than {version}, with parts that this one does not have"
    return "are cut short, or no file of PyTorch"


def refused_name(error: BaseException | None) -> str:
    """What torch refused to load, "" where it was something else."""
    while error:
        if found := re.search(r"GLOBAL (\S+)", str(error)):
            return found[1]
        error = error.__cause__
    return ""


def check_resumed(job: Job, checkpoint: Path) -> None:
    """A training goes on as the model and with the classes that it began with."""
    network = read_checkpoint(checkpoint)[0]
    if made_of := network.yaml.get("yaml_file"):
        check_same(replace(job, model=job.model.removesuffix(".pt").removesuffix(".yaml")), None, Path(made_of).stem)
    head = Head(in_order(network.names), [c.name for c in job.classes()])
    if head.ours and not head.same:
        check_same_classes(checkpoint, head.theirs, head.ours)
