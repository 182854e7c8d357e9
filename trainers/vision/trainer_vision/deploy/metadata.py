"""metadata.json: what a reader needs to use an exported model, and where it is from. Its schema is metadata.schema.json.

The copy inside the model's file lacks what is known only afterwards: sizes, sums, times and parity.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn
from trainer_sdk import Job, clean, now
from trainer_sdk.export import RUNTIMES, ExportRequest
from trainer_sdk.package import digest

from ..inference.running import class_ids
from .formats import installed
from .package import languages
from .program import Program
from .subject import OBJECTS, SEGMENT, Subject

SCHEMA = 1
MASK_THRESHOLD = 0.5
FRAMEWORKS = ("ultralytics", "timm", "transformers")  # that models are made of
RAW = ("raw", "logits")
UNCHANGED = {"method": "none", "mean": [0.0] * 3, "std": [1.0] * 3, "scale": 1.0}  # for a graph that takes the pixels of a resized image


def describe(job: Job, request: ExportRequest, subject: Subject, program: Program, outputs: Sequence[Mapping[str, Any]], more: Mapping[str, str], precision: str) -> dict[str, Any]:
    """What holds of the file whatever it weighs; `more` are the versions of what converts it."""
    return clean({
        "schema_version": SCHEMA,
        "model": {
            "name": job.model or subject.architecture, "framework": subject.framework, "architecture": subject.architecture, "task": subject.head,
            "file": request.target.name, "format": request.format, "precision": precision,
            "input_size": [subject.preprocess.height, subject.preprocess.width], "num_classes": len(subject.names), "class_names": list(subject.names),
        },
        "classes": classes(job, subject.names),
        "input": {"name": "image", "layout": program.layout, "dtype": dtype_of(program), "shape": program.input_shape, "color": "RGB"},
        "preprocess": preprocess(subject, program),
        "outputs": list(outputs),
        "postprocess": postprocess(subject, program),
        "versions": {**installed("torch", *made_of(subject.model)), **more},
        "provenance": {"job_id": job.id, "checkpoint_sha256": digest(request.checkpoint), "created_at": now()},
        **seed_fields(job, request, subject, program),
    })


def classes(job: Job, names: Sequence[str]) -> list[dict[str, Any]]:
    """An id is the platform's, or null where nothing tells it."""
    known = [c.name for c in job.classes()]
    ids = class_ids(job, names) if known == list(names[: len(known)]) and known else [None] * len(names)
    if known and all(c.id is None for c in job.classes()):
        ids = [None] * len(names)
    return [{"index": i, "id": ids[i], "name": name} for i, name in enumerate(names)]


def dtype_of(program: Program) -> str:
    return str(program.example.dtype).removeprefix("torch.")


def preprocess(subject: Subject, program: Program) -> dict[str, Any]:
    how = subject.preprocess
    return {
        "included": program.graph.whole or program.graph.pixels, "exif": True, "resize": how.describe(),
        "scale": [1 / 255] * 3, "mean": list(how.mean), "std": list(how.std),
    }


def postprocess(subject: Subject, program: Program) -> dict[str, Any]:
    how, included = subject.objects, program.graph.finishes
    objects = subject.head in OBJECTS
    box_format = None
    if how is not None:
        rows = "xyxy_score_class" if objects else "cxcywh_score_class"
        box_format = "xyxy" if included and objects else rows if how.end_to_end else "cxcywh"
    return {
        "included": included,
        "conf_threshold": how.confidence if how else None, "iou_threshold": how.iou if how and not how.end_to_end else None, "max_detections": how.most if how else None,
        "box_format": box_format, "box_space": ("image" if program.graph.whole and included else "input") if how else None,
        "activation": "none" if how or included else "softmax", "padding": "rows whose score is 0" if how and included else None,
        "mask_threshold": MASK_THRESHOLD if subject.head == SEGMENT else None,
        "keypoint_shape": [how.keypoints[0], 3 if included else how.keypoints[1]] if how and how.keypoints else None,
    }


def seed_fields(job: Job, request: ExportRequest, subject: Subject, program: Program) -> dict[str, Any]:
    """The fields of format_version 1.0, which the platform reads, said of the same facts."""
    how, objects = subject.preprocess, subject.objects
    resize: dict[str, Any] = {"method": {"letterbox": "letterbox", "stretch": "resize", "shortest_crop": "resize_crop"}[how.mode], "size": [how.height, how.width]}
    if how.mode == "letterbox":
        resize["fill_value"] = how.pad_value
    pre = {
        "resize": resize, "normalize": UNCHANGED if program.graph.pixels else {"method": "standardize", "mean": list(how.mean), "std": list(how.std), "scale": 1 / 255},
        "channel_order": "RGB", "data_type": dtype_of(program), "layout": program.layout, "embedded": program.graph.whole,
    }
    if objects:
        nms = {"method": "none" if objects.end_to_end else "nms", "iou_threshold": objects.iou, "confidence_threshold": objects.confidence, "max_detections": objects.most}
        post: dict[str, Any] = {"nms": nms, "coordinate_format": postprocess(subject, program)["box_format"], "embedded": program.graph.finishes}
        if subject.head == SEGMENT:
            post["mask_threshold"] = MASK_THRESHOLD
    else:
        post = {"softmax": {"apply": not program.graph.finishes, "temperature": 1.0}, "top_k": 5, "embedded": program.graph.finishes}
    return {
        "format_version": "1.0", "export_format": request.format, "task_type": job.task, "model_name": job.model or subject.architecture, "generated_at": now(),
        "preprocessing": pre, "postprocessing": post, "runtime": {"engine": RUNTIMES[request.format], "file": request.target.name, "languages": languages(subject.head, request.format)},
        "optimization": {
            "level": request.optimization_level, "quantization": request.quantization, "dtype": request.dtype if request.quantization != "none" else "float32",
            "include_preprocessing": request.preprocessing, "include_postprocessing": request.postprocessing,
        },
    }


def outputs(program: Program, answers: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """The outputs as the file has them; where the number of images is free, it is the first dimension."""
    batch = not program.graph.whole and 0 in program.free
    return [
        {"name": kind, "kind": kind, "dtype": answer.dtype.name, "shape": [-1, *answer.shape[1:]] if batch else list(answer.shape)}
        for kind, answer in zip(program.graph.outputs, answers, strict=True)
    ]


def made_of(model: nn.Module) -> list[str]:
    """The frameworks that the model's parts are from: a trainer's environment may hold others."""
    parts = {kind.__module__.partition(".")[0] for module in model.modules() for kind in type(module).__mro__}
    return [name for name in FRAMEWORKS if name in parts]


def text(metadata: Mapping[str, Any]) -> str:
    return json.dumps(metadata, ensure_ascii=False, allow_nan=False)
