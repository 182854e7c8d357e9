"""Files of tensors, as whoever trained them saved them: read without running any code in them. Needs torch and NumPy, and
safetensors for files of it.

A checkpoint may hold the tensors under a key beside an optimizer, and their names may carry what DistributedDataParallel and
torch.compile put before them. Both are taken away; numbers become 32 bits, in which trainings start.
"""

from __future__ import annotations

import argparse
import pickle
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import torch
from trainer_sdk import JobError

# The average of the weights before the weights themselves: it is what is validated.
KEYS = ("state_dict_ema", "model_ema", "ema", "state_dict", "model_state_dict", "model", "module")
PREFIXES = ("module.", "_orig_mod.")
TAKEN = "this trainer takes a state_dict as .pt, .pth or .safetensors"


@dataclass(frozen=True)
class Weights:
    """Tensors by their names, and the classes of their head where the file names them."""

    tensors: dict[str, torch.Tensor]
    class_names: list[str] | None = None


def read_weights(path: Path) -> Weights:
    """What a file holds; one without tensors, or with numbers that are none, is refused."""
    check_file(path)
    whole = _load(path)
    found = _tensors(whole)
    if not found:
        raise JobError(f"the weights {path} hold other things than tensors; save model.state_dict(), as it is or under one of the keys {', '.join(KEYS)}")
    tensors = {str(name): value.float() if value.is_floating_point() else value for name, value in found.items()}
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in tensors)), None):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    check_numbers(path, tensors)
    names = whole.get("class_names")  # of a checkpoint of the timm trainer
    return Weights(tensors, [str(name) for name in names] if isinstance(names, list | tuple) else None)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    return read_weights(path).tensors


def check_file(path: Path) -> None:
    """Refuse what is no file of weights, by its first bytes: libraries say of it what helps nobody."""
    if path.is_dir():
        raise JobError(f"the weights {path} are a folder: give the file in it")
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


def damaged(path: Path) -> str | None:
    """The first record of a torch file whose bytes are not those that were saved, if any: torch.load does not look, and a model of such numbers is silently a worse one.

    A file in which no record has its sum was saved without sums (torch.serialization.set_crc32_options).
    """
    if not zipfile.is_zipfile(path):
        return None
    wrong, right = [], 0
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            try:
                with archive.open(entry) as record:
                    while record.read(1 << 20):
                        pass
            except (zipfile.BadZipFile, EOFError):
                wrong.append(entry.filename)
            else:
                right += entry.file_size > 0
    return wrong[0] if wrong and right else None


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


def holds_config(path: Path) -> bool:
    """Whether it is a zip of what save_pretrained writes. A torch file is a zip too, but has no config.json."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(Path(name).name == "config.json" for name in archive.namelist())


def beside_tensors() -> list[Any]:
    """What trainings keep beside the tensors, of which torch loads none by itself: arguments, metrics in NumPy's numbers, paths, times. Nothing of it runs what it is given."""
    array, scalar, numeric = np.array(0).__reduce__()[0], np.float32(0).__reduce__()[0], np.array(0).__reduce_ex__(5)[0]
    return [
        argparse.Namespace, defaultdict, frozenset, range, slice, date, datetime, time, timedelta, timezone, int, float, bool, str, bytes, list, dict, tuple,
        np.ndarray, np.dtype, *(kind for kind in vars(np.dtypes).values() if isinstance(kind, type)),
        *((function, f"{package}.{module}.{function.__name__}") for package in ("numpy.core", "numpy._core") for function, module in ((array, "multiarray"), (scalar, "multiarray"), (numeric, "numeric"))),
        *((PurePosixPath, f"pathlib.{name}") for name in ("Path", "PosixPath", "PurePath", "PurePosixPath")),
        *((PureWindowsPath, f"pathlib.{name}") for name in ("WindowsPath", "PureWindowsPath")),
    ]


def _load(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return _load_safetensors(path)
    try:
        with torch.serialization.safe_globals(beside_tensors()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's advice is to load it without care
        what = "Python objects" if "GLOBAL" in str(error) or "globals:" in str(error) else "no weights"
        raise JobError(f"the weights {path} hold {what}, which this trainer does not read; save model.state_dict()") from error
    except Exception as error:
        if holds_config(path):
            raise JobError(f"the weights {path} are a zip of Hugging Face's save_pretrained; {TAKEN}") from error
        raise JobError(f"the weights {path} are cut short, or no file of PyTorch; {TAKEN}") from error


def _load_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError  # no package of Ultralytics, whose trainer uses the checks of this module
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise JobError(f"the weights {path} are cut short, or no file of safetensors: {error}") from error
