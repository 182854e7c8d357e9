"""An exported file as a Predictor: by its metadata and its outputs alone, never by what made it."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import zipfile
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from trainer_sdk import JobError
from trainer_sdk.inference import InferenceRequest

from ..inference import Objects, Predictor
from .formats import Run
from .reader import Reader

PLATFORM_TASKS = {
    "detect": "object_detection", "obb": "object_detection", "segment": "instance_segmentation", "pose": "pose_estimation", "classify": "image_classification",
    "semantic": "semantic_segmentation",
}
LARGEST_METADATA = 16 << 20  # bytes
METADATA = "metadata.json"
OWN = "the checkpoint that it was exported from, or to the model.onnx or model.torchscript of its export"
OTHERS = frozenset({".pt2", ".engine", ".tflite", ".mlpackage", ".mlmodel", ".openvino", ".xml"})  # models that predict.py does not run


def predictor(metadata: Mapping[str, Any], run: Run, truth: Any = None, confidence: float | None = None) -> Predictor:
    """`confidence` is the job's, where it asks for surer objects than the graph gives."""
    reader = Reader(metadata)
    least = reader.post["conf_threshold"] if confidence is None else confidence

    def infer(batch: list[np.ndarray]) -> list[Sequence[np.ndarray]]:
        return [run(one) for one in batch]

    def decode(raw: list[Sequence[np.ndarray]], sizes: list[tuple[int, int]], measured: bool) -> list[Any]:
        """What is below the graph's own threshold is gone, for a measurement too."""
        found = [reader.decode(outputs, size) for outputs, size in zip(raw, sizes, strict=True)]
        if measured or confidence is None:
            return found
        return [one.take(np.flatnonzero(~(one.scores < confidence))) if isinstance(one, Objects) else one for one in found]  # NaN stays, and is told

    settings = {"confidence": least, "iou": reader.post["iou_threshold"]} if least is not None else {}
    resize = metadata["preprocess"]["resize"]
    return Predictor(
        reader.names, reader.prepare, infer, decode, truth=truth, task=PLATFORM_TASKS[reader.task],
        settings={**settings, "image_size": [resize["height"], resize["width"]], "architecture": metadata["model"]["name"]},
    )


def is_exported(path: Path) -> bool:
    """Whether a checkpoint is a file that this package exported, of a kind that runs beside the trainer."""
    return path.is_file() and path.suffix in READERS and READERS[path.suffix](path) is not None


def refuse_others(path: Path, kinds: Container[str] = OTHERS) -> None:
    """What else an export leaves, given as a checkpoint: frameworks say of it what they say of any broken file. `kinds` are suffixes of models."""
    name = path.name
    if path.suffix in READERS and path.suffix in kinds:
        raise JobError(f"{name} has no metadata in it: it is broken, or no trainer of this platform exported it. Set CHECKPOINT_PATH to {OWN}")
    if path.suffix in kinds or name == METADATA or _is_package(path):
        raise JobError(f"{name} is of an export and nothing that this trainer's predict.py runs: set CHECKPOINT_PATH to {OWN}")


def _is_package(path: Path) -> bool:
    """package.zip, or the folder of an export."""
    if path.is_dir():
        return (path / METADATA).is_file()
    with contextlib.suppress(OSError, zipfile.BadZipFile, NotImplementedError, ValueError), zipfile.ZipFile(path) as archive:
        return METADATA in archive.namelist()
    return False


def read(request: InferenceRequest, truth_of: Callable[[str], Any] = lambda _task: None) -> Predictor:
    """A file that this package exported; its metadata is in it. `truth_of` gives the reader of a task's labels."""
    path = request.checkpoint
    if path.suffix == ".onnx":
        from .formats import onnx as kind
    else:
        from .formats import torchscript as kind
    try:
        described, confidence = asked(json.loads(READERS[path.suffix](path) or "null"), request)
        Reader(described)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise JobError(f"the metadata in {path.name} is not what the trainers of this platform write ({type(error).__name__}: {error}). Set CHECKPOINT_PATH to {OWN}") from error
    return predictor(described, kind.load(path), truth_of(described["model"]["task"]), confidence)


def asked(metadata: Mapping[str, Any], request: InferenceRequest) -> tuple[Mapping[str, Any], float | None]:
    """The metadata as the job's thresholds would have it, and the confidence that is left to ask for. What is in the graph cannot be undone: that is said, and refused where objects are missing."""
    name, post = request.checkpoint.name, metadata["postprocess"]
    if metadata["model"]["task"] == "obb":
        raise JobError(f"{name} is an exported model of rotated boxes, which are exported raw and which predict.py does not read: set CHECKPOINT_PATH to the checkpoint that it was exported from")
    resize = metadata["preprocess"]["resize"]
    if request.image_size not in {None, resize["height"], resize["width"]}:
        warn(f"IMAGE_SIZE {request.image_size} has no effect: {name} takes {resize['height']} by {resize['width']} pixels")
    if post["conf_threshold"] is None:
        return metadata, None
    if not post["included"]:
        given = {"conf_threshold": request.confidence, "iou_threshold": request.iou if post["iou_threshold"] is not None else None}
        return {**metadata, "postprocess": {**post, **{key: value for key, value in given.items() if value is not None}}}, None
    if request.confidence is not None and request.confidence < post["conf_threshold"] and not math.isclose(request.confidence, post["conf_threshold"]):
        raise JobError(f"CONFIDENCE_THRESHOLD {request.confidence}: {name} was exported with {post['conf_threshold']} and keeps nothing below it; set that or more, or export it with a lower one")
    if request.iou is not None and post["iou_threshold"] is not None and not math.isclose(request.iou, post["iou_threshold"]):
        warn(f"IOU_THRESHOLD {request.iou} has no effect: {name} was exported with {post['iou_threshold']}")
    return metadata, request.confidence


def warn(text: str) -> None:
    print(f"[trainer] warning: {text}", file=sys.stderr, flush=True)


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
