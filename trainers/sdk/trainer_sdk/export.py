"""What export.py of every trainer is asked for. Standard library only."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .job import Job, JobError

SUFFIXES = {"onnx": ".onnx", "torchscript": ".torchscript", "tensorrt": ".engine", "coreml": ".mlpackage", "tflite": ".tflite", "openvino": ".openvino"}
RUNTIMES = {"onnx": "onnxruntime", "torchscript": "torch", "tensorrt": "tensorrt", "coreml": "coremltools", "tflite": "ai-edge-litert", "openvino": "openvino"}


@dataclass(frozen=True)
class ExportRequest:
    """One export job."""

    checkpoint: Path
    format: str
    output_dir: Path
    input_size: tuple[int, int] | None  # height, width in pixels; None = what the model was trained with
    optimization_level: int
    preprocessing: bool
    postprocessing: bool
    quantization: str  # none, dynamic, static
    dtype: str
    validate: bool
    accuracy_drop_max: float
    confidence: float | None = None  # of detections; None = the framework's own
    iou: float | None = None  # of suppression

    @classmethod
    def load(cls, job: Job, argv: Sequence[str], supported: Sequence[str], env: Mapping[str, str] | None = None) -> ExportRequest:
        env = {k: v for k, v in (os.environ if env is None else env).items() if v != ""}
        flags = _flags(argv)
        name = flags.format or env.get("EXPORT_FORMAT", "onnx")
        if name not in supported:
            raise JobError(f"EXPORT_FORMAT {name!r} is not one that this trainer makes: {', '.join(supported)}")
        checkpoint = flags.checkpoint or env.get("CHECKPOINT_FILE")
        if not checkpoint or not Path(checkpoint).exists():
            raise JobError(f"CHECKPOINT_FILE {checkpoint or '(unset)'} does not exist; the agent sets it, or pass --checkpoint")
        quantization = env.get("QUANTIZATION_TYPE", "none")
        dtype = env.get("QUANTIZATION_DTYPE", "int8")
        return cls(
            checkpoint=Path(checkpoint), format=name, output_dir=Path(flags.output or job.output_dir).absolute(),
            input_size=_size(env["INPUT_SIZE"]) if "INPUT_SIZE" in env else None, optimization_level=int(env.get("OPTIMIZATION_LEVEL", 0)),
            preprocessing=_flag(env, "INCLUDE_PREPROCESSING", True), postprocessing=_flag(env, "INCLUDE_POSTPROCESSING", True),
            quantization=quantization, dtype=dtype, validate=_flag(env, "ENABLE_VALIDATION", False), accuracy_drop_max=float(env.get("ACCURACY_DROP_MAX", 0.02)),
            confidence=_fraction(env, "CONFIDENCE_THRESHOLD"), iou=_fraction(env, "IOU_THRESHOLD"),
        )

    @property
    def target(self) -> Path:
        return self.output_dir / f"model{SUFFIXES[self.format]}"


def _flags(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The request comes from the environment; these arguments win over it.")
    parser.add_argument("--checkpoint")
    parser.add_argument("--format", choices=sorted(SUFFIXES))
    parser.add_argument("--output", help="folder for the model, metadata.json and package.zip")
    parser.add_argument("--log-level", help="accepted, as the platform's job template gives it")
    return parser.parse_args(list(argv))


def _flag(env: Mapping[str, str], name: str, default: bool) -> bool:
    """The defaults are the agent's: what export.py makes at a desk is what a job makes."""
    return env.get(name, str(default)).lower() in {"true", "1", "yes"}


def _fraction(env: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(env[name]) if name in env else None
    except ValueError:
        value = -1.0
    if value is not None and not 0 <= value <= 1:
        raise JobError(f"{name} is {env[name]}, expected a number from 0 to 1")
    return value


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = json.loads(text)
    except (ValueError, TypeError):
        height = width = 0
    if any(type(side) is not int or side < 1 for side in (height, width)):
        raise JobError(f"INPUT_SIZE is {text}, expected height and width in pixels, for example [640, 640]")
    return height, width
