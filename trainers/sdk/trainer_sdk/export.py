"""What export.py of every trainer does around the conversion: the request, stages, metadata, package. Standard library only."""

from __future__ import annotations

import argparse
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .callbacks import Platform
from .job import Job, JobError
from .jsonfile import now, write_json

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


@dataclass(frozen=True)
class Exported:
    """A converted model and what is to be told of it."""

    file: Path
    input_shape: Sequence[int]
    output_shape: Sequence[int]
    inference_ms: float  # one image
    model: Mapping[str, Any]  # architecture, class_names, …
    preprocessing: Mapping[str, Any]
    postprocessing: Mapping[str, Any]
    accuracy: tuple[float, float] | None = None  # exported, original


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
        height, width = (int(v) for v in json.loads(text))
    except (ValueError, TypeError):
        raise JobError(f"INPUT_SIZE is {text}, expected height and width, for example [640, 640]") from None
    return height, width


def run_export(job: Job, platform: Platform, request: ExportRequest, framework: str, convert: Callable[[], Exported]) -> None:
    """Convert, describe, package and report. An accuracy that drops too far fails the job."""
    request.output_dir.mkdir(parents=True, exist_ok=True)
    platform.export_progress(10, "converting", f"Converting to {request.format}")
    exported = convert()
    validation = check_accuracy(request, exported)
    platform.export_progress(80, "packaging", "Writing metadata and package")
    size_mb = _bytes(exported.file) / 2**20
    info = {"model_size_mb": round(size_mb, 3), "inference_speed_ms": round(exported.inference_ms, 3), "input_shape": list(exported.input_shape), "output_shape": list(exported.output_shape)}
    metadata = describe(job, request, framework, exported, info, validation)
    write_json(request.output_dir / "metadata.json", metadata)
    package(request, exported.file, metadata)
    platform.export_progress(95, "uploading", "Handing over to the agent")
    platform.export_done({"export_path": exported.file.name, "metadata_path": "metadata.json", "package_path": "package.zip", "model_info": info, "validation_metrics": validation})


def check_accuracy(request: ExportRequest, exported: Exported) -> dict[str, Any] | None:
    if exported.accuracy is None:
        return None
    accuracy, original = exported.accuracy
    drop = original - accuracy
    if not drop <= request.accuracy_drop_max:  # a drop that is no number is none to accept
        raise JobError(f"the exported model's accuracy is {accuracy:.4f}, the original's {original:.4f}: it drops by {drop:.4f}, more than ACCURACY_DROP_MAX {request.accuracy_drop_max}")
    return {"accuracy": accuracy, "original_accuracy": original, "accuracy_drop": drop, "passed": True}


def describe(job: Job, request: ExportRequest, framework: str, exported: Exported, info: Mapping[str, Any], validation: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "format_version": "1.0", "export_format": request.format, "task_type": job.task, "model_name": job.model, "generated_at": now(),
        "model": {"framework": framework, **exported.model, **info},
        "preprocessing": exported.preprocessing, "postprocessing": exported.postprocessing,
        "runtime": {"engine": RUNTIMES[request.format], "file": exported.file.name},
        "optimization": {"level": request.optimization_level, "quantization": request.quantization, "dtype": request.dtype if request.quantization != "none" else "float32"},
        "validation": validation,
    }


def package(request: ExportRequest, model: Path, metadata: Mapping[str, Any]) -> None:
    """package.zip: the model, metadata.json and a README."""
    partial = request.output_dir / ".package.zip.tmp"
    files = sorted(p for p in model.rglob("*") if p.is_file()) if model.is_dir() else [model]
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(request.output_dir))
        archive.write(request.output_dir / "metadata.json", "metadata.json")
        archive.writestr("README.md", readme(metadata))
    partial.replace(request.output_dir / "package.zip")


def readme(metadata: Mapping[str, Any]) -> str:
    model, runtime = metadata["model"], metadata["runtime"]
    return "\n".join([
        f"# {metadata['model_name'] or model['architecture']} ({metadata['export_format']})", "",
        f"Task {metadata['task_type']}, {len(model['class_names'])} classes. Load `{runtime['file']}` with {runtime['engine']}.",
        f"Input {model['input_shape']}, output {model['output_shape']}. metadata.json says how to prepare an image and how to read the output.", "",
    ])


def _bytes(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
