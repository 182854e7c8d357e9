"""Files of tensors, as whoever trained them saved them: read without running any code in them. Needs torch, and safetensors for
files of it.

A checkpoint may hold the tensors under a key beside an optimizer, and their names may carry what DistributedDataParallel and
torch.compile put before them. Both are taken away; numbers become 32 bits, in which trainings start.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from trainer_sdk import JobError

# The average of the weights before the weights themselves: it is what is validated.
KEYS = ("state_dict_ema", "model_ema", "ema", "state_dict", "model_state_dict", "model", "module")
PREFIXES = ("module.", "_orig_mod.")


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file by their names; one that holds none, or numbers that are none, is refused."""
    check_file(path)
    found = _tensors(_load(path))
    if not found:
        raise JobError(f"the weights {path} hold other things than tensors; save model.state_dict(), as it is or under one of the keys {', '.join(KEYS)}")
    tensors = {str(name): value.float() if value.is_floating_point() else value for name, value in found.items()}
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in tensors)), None):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    check_numbers(path, tensors)
    return tensors


def check_file(path: Path) -> None:
    """Refuse what is no file of weights, by its first bytes: libraries say of it what helps nobody."""
    if not path.is_file():
        raise JobError(f"the weights {path} do not exist")
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    if not start:
        raise JobError(f"the weights {path} are an empty file")
    if start.startswith(b"version https://git-lfs"):
        raise JobError(f"the weights {path} are a pointer of Git LFS, not the file itself: fetch it with `git lfs pull`")
    if start[:1] == b"<":
        raise JobError(f"the weights {path} are a page (HTML or XML), not a file of weights: the address that they came from answers with something else")


def check_numbers(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """A training that starts from NaN stays there. (Infinity has its place, in masks of attention.)"""
    if broken := next((name for name, value in tensors.items() if value.is_floating_point() and value.isnan().any()), None):
        raise JobError(f"the weights {path} are NaN, first in {broken}: the training that they come from has diverged")


def _tensors(found: Any) -> Mapping[str, torch.Tensor]:
    """What is nothing but tensors: the whole, or below the first of KEYS that leads to some. An average may be empty, or kept otherwise."""
    if not isinstance(found, Mapping):
        return {}
    if all(isinstance(value, torch.Tensor) for value in found.values()):
        return found
    return next((tensors for key in KEYS if (tensors := _tensors(found.get(key)))), {})


def _load(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return _load_safetensors(path)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # a training's arguments, beside the tensors of timm, DETR and others
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's advice is to load it without care
        what = "Python objects" if "GLOBAL" in str(error) or "globals:" in str(error) else "no weights"
        raise JobError(f"the weights {path} hold {what}, which this trainer does not read; save model.state_dict()") from error
    except Exception as error:
        raise JobError(f"the weights {path} are cut short, or no file of PyTorch ({type(error).__name__})") from error


def _load_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError  # no package of Ultralytics, whose trainer uses the checks of this module
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise JobError(f"the weights {path} are cut short, or no file of safetensors: {error}") from error
