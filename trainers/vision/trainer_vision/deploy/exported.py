"""An exported file as a Predictor: by its metadata and its outputs alone, never by what made it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..inference import Predictor
from .formats import Run
from .reader import Reader

PLATFORM_TASKS = {
    "detect": "object_detection", "obb": "object_detection", "segment": "instance_segmentation", "pose": "pose_estimation", "classify": "image_classification",
    "semantic": "semantic_segmentation",
}
LARGEST_METADATA = 16 << 20  # bytes


def predictor(metadata: Mapping[str, Any], run: Run, truth: Any = None) -> Predictor:
    reader = Reader(metadata)

    def infer(batch: list[np.ndarray]) -> list[Sequence[np.ndarray]]:
        return [run(one) for one in batch]

    def decode(raw: list[Sequence[np.ndarray]], sizes: list[tuple[int, int]], _measured: bool) -> list[Any]:
        """What is below the graph's own threshold is gone, for a measurement too."""
        return [reader.decode(outputs, size) for outputs, size in zip(raw, sizes, strict=True)]

    settings = {"confidence": reader.post["conf_threshold"], "iou": reader.post["iou_threshold"]} if reader.post["conf_threshold"] is not None else {}
    resize = metadata["preprocess"]["resize"]
    return Predictor(
        reader.names, reader.prepare, infer, decode, truth=truth, task=PLATFORM_TASKS[reader.task],
        settings={**settings, "image_size": [resize["height"], resize["width"]], "architecture": metadata["model"]["name"]},
    )


def is_exported(path: Path) -> bool:
    """Whether a checkpoint is a file that this package exported, of a kind that runs beside the trainer."""
    return path.is_file() and path.suffix in READERS and READERS[path.suffix](path) is not None


def read(path: Path, truth_of: Callable[[str], Any] = lambda _task: None) -> Predictor:
    """A file that this package exported; its metadata is in it. `truth_of` gives the reader of a task's labels."""
    described = json.loads(READERS[path.suffix](path) or "null")
    if path.suffix == ".onnx":
        from .formats import onnx as kind
    else:
        from .formats import torchscript as kind
    return predictor(described, kind.load(path), truth_of(described["model"]["task"]))


def _of_onnx(path: Path) -> str | None:
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # decoders raise whatever they like of broken bytes
        return None  # the trainer's own reader says what is wrong with it
    return next((entry.value for entry in model.metadata_props if entry.key == "metadata"), None)


def _of_torchscript(path: Path) -> str | None:
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        name = next((n for n in archive.namelist() if n.endswith("extra/metadata.json")), None)
        if name is None or archive.getinfo(name).file_size > LARGEST_METADATA:
            return None
        return archive.read(name).decode()


READERS = {".onnx": _of_onnx, ".torchscript": _of_torchscript}
