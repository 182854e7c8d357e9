"""The package of a classifier that a trainer converts itself: metadata.json as `trainer-agent inspect` and the wrappers read it, a
golden answer and, where it is given, the wrapper that tests it. Standard library only.

The file takes one prepared image, RGB, (1, 3, size, size), and answers with the probability of every class.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .callbacks import Platform
from .export import RUNTIMES, ExportRequest
from .job import Job
from .jsonfile import clean, now, write_json

SCHEMA = 1
TIME = (2020, 1, 1, 0, 0, 0)  # of every file in the zip: the same files give the same bytes
TOLERANCE = 0.01  # of a probability, in two runtimes


@dataclass(frozen=True)
class Golden:
    """An image with the trainer's own answer to it, and the converted file's."""

    image: bytes  # a PNG
    width: int
    height: int
    said: Sequence[float]
    found: Sequence[float]

    @property
    def difference(self) -> float:
        """The largest; NaN where one is no number."""
        apart = [abs(a - b) for a, b in zip(self.said, self.found, strict=True)]
        return max(apart) if all(map(math.isfinite, apart)) else math.nan


@dataclass(frozen=True)
class Exported:
    """A converted classifier and what is to be told of it."""

    file: Path
    architecture: str
    class_names: Sequence[str]
    size: int  # pixels, both sides of its input
    kernel: str  # bilinear or bicubic: how Pillow resizes an image to that, whatever its shape
    names: tuple[str, str]  # of its input and its output
    golden: Golden
    verified_by: str  # what ran the file
    milliseconds: float | None = None  # of one image, in the runtime that the file is for; None where another one ran it
    wrapper: Path | None = None  # trainer_vision/deploy/runtimes/python: it answers images, and tests the package
    mean: Sequence[float] = (0.0, 0.0, 0.0)  # the input is (pixel / 255 - mean) / std
    std: Sequence[float] = (1.0, 1.0, 1.0)


def run_export(job: Job, platform: Platform, request: ExportRequest, framework: str, convert: Callable[[], Exported]) -> None:
    """Convert, describe, package and report."""
    request.output_dir.mkdir(parents=True, exist_ok=True)
    platform.export_progress(10, "converting", f"Converting to {request.format}")
    exported = convert()
    platform.export_progress(80, "packaging", "Writing metadata and package")
    metadata = describe(job, request, framework, exported)
    write_json(request.output_dir / "metadata.json", metadata)
    pack(request.output_dir / "package.zip", contents(request, exported, metadata))
    platform.export_progress(95, "uploading", "Handing over to the agent")
    info = {
        "model_size_mb": round(metadata["model"]["size_bytes"] / 2**20, 3), "inference_speed_ms": metadata["timing"] and metadata["timing"]["median_ms"],
        "input_shape": metadata["input"]["shape"], "output_shape": metadata["outputs"][0]["shape"],
    }
    platform.export_done({"export_path": exported.file.name, "metadata_path": "metadata.json", "package_path": "package.zip", "model_info": info})


def describe(job: Job, request: ExportRequest, framework: str, exported: Exported) -> dict[str, Any]:
    """metadata.json; trainer_vision's metadata.schema.json explains every field."""
    size, name = exported.size, job.model or exported.architecture
    took = None if exported.milliseconds is None else round(exported.milliseconds, 3)
    return {
        "schema_version": SCHEMA,
        "model": {
            "name": name, "framework": framework, "architecture": exported.architecture, "task": "classify", "file": exported.file.name, "format": request.format,
            "precision": "float32", "input_size": [size, size], "num_classes": len(exported.class_names), "class_names": list(exported.class_names),
            "sha256": digest(exported.file), "size_bytes": exported.file.stat().st_size,
        },
        "classes": classes(job, exported.class_names),
        "input": {"name": exported.names[0], "layout": "NCHW", "dtype": "float32", "shape": [1, 3, size, size], "color": "RGB"},
        "preprocess": {
            "included": False, "exif": True, "scale": [1 / 255] * 3, "mean": list(exported.mean), "std": list(exported.std),
            "resize": {
                "mode": "stretch", "width": size, "height": size, "resize_shortest": None, "kernel": exported.kernel, "half_pixel": True, "antialias": True,
                "pad_value": 0, "pad_side": "center",
            },
        },
        "outputs": [{"name": exported.names[1], "kind": "probabilities", "dtype": "float32", "shape": [1, len(exported.class_names)]}],
        "postprocess": {
            "included": True, "activation": "none",
            **dict.fromkeys(("conf_threshold", "iou_threshold", "max_detections", "box_format", "box_space", "padding", "mask_threshold", "keypoint_shape")),
        },
        "parity": {"images": 1, "objects": 0, "unmatched": 0, "pixels": None, "score": None, "probability": exported.golden.difference, "pixel_agreement": None},
        "timing": None if took is None else {"median_ms": took, "p95_ms": took, "rounds": 1},
        "validation": None, "versions": {},
        "provenance": {"job_id": job.id, "checkpoint_sha256": digest(request.checkpoint), "created_at": now(), "verified_by": [f"{exported.verified_by} on 1 image"]},
        **seed_fields(job, request, exported, name),
    }


def seed_fields(job: Job, request: ExportRequest, exported: Exported, name: str) -> dict[str, Any]:
    """The fields of format_version 1.0, which the platform reads, said of the same facts."""
    return {
        "format_version": "1.0", "export_format": request.format, "task_type": job.task, "model_name": name, "generated_at": now(),
        "preprocessing": {
            "resize": {"method": "resize", "size": [exported.size, exported.size]}, "channel_order": "RGB", "data_type": "float32", "layout": "NCHW", "embedded": False,
            "normalize": {"method": "standardize", "mean": list(exported.mean), "std": list(exported.std), "scale": 1 / 255},
        },
        "postprocessing": {"softmax": {"apply": False, "temperature": 1.0}, "top_k": 5, "embedded": True},
        "runtime": {"engine": RUNTIMES[request.format], "file": exported.file.name, "languages": ["python"] if exported.wrapper else []},
        "optimization": {"level": request.optimization_level, "quantization": "none", "dtype": "float32", "include_preprocessing": False, "include_postprocessing": True},
    }


def classes(job: Job, names: Sequence[str]) -> list[dict[str, Any]]:
    """An id is the platform's, or null where nothing tells it."""
    known = job.classes()
    ids = [c.id for c in known] if [c.name for c in known] == list(names) else [None] * len(names)
    return [{"index": i, "id": ids[i], "name": name} for i, name in enumerate(names)]


def contents(request: ExportRequest, exported: Exported, metadata: Mapping[str, Any]) -> dict[str, Path | bytes]:
    """What lies in the package, by name."""
    golden = exported.golden
    answer = {"image": "image.png", "width": golden.width, "height": golden.height, "tolerance": {"probability": TOLERANCE + golden.difference}, "probabilities": list(golden.said)}
    found: dict[str, Path | bytes] = {
        exported.file.name: exported.file, "metadata.json": request.output_dir / "metadata.json", "README.md": readme(metadata, exported.wrapper is not None).encode(),
        "golden/image.png": golden.image, "golden/answer.json": json.dumps(clean(answer), allow_nan=False).encode() + b"\n",
    }
    if exported.wrapper:
        found |= {f"runtimes/python/{path.name}": path for path in exported.wrapper.iterdir() if path.is_file()}
        found["runtimes/python/requirements.txt"] = f"{RUNTIMES[request.format]}\nnumpy\npillow\n".encode()
    return found


def pack(target: Path, files: Mapping[str, Path | bytes]) -> None:
    partial = target.with_name(f".{target.name}.tmp")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source, archive.open(entry, "w", force_zip64=True) as out:
                shutil.copyfileobj(source, out, 1 << 20)
    partial.replace(target)


def readme(metadata: Mapping[str, Any], wrapped: bool) -> str:
    model = metadata["model"]
    start = ["    cd runtimes/python && pip install -r requirements.txt && python example.py --selftest", ""] if wrapped else []
    return "\n".join([
        f"# {model['name']} ({model['format']})", "",
        f"Task {metadata['task_type']}, {len(metadata['classes'])} classes. Load `{model['file']}` with {RUNTIMES[model['format']]}.",
        "metadata.json says how to prepare an image and how to read the output. `golden/` has an image and the trainer's own answer to it.", "", *start,
    ])


def digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names, in order."""
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        if path.is_dir():
            total.update(f"{file.relative_to(path).as_posix()}\n".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                total.update(block)
    return total.hexdigest()
