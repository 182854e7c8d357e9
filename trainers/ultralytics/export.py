"""Converts a YOLO checkpoint for deployment, with Ultralytics' own exporter.

From the environment (contract §2), or `export.py --checkpoint best.pt --format onnx --output out`.
onnx and torchscript work with requirements.txt; the others need their toolkits in the image.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import offline  # noqa: F401  before ultralytics
import torch
from results import platform_metrics
from trainer_sdk import PRIMARY_METRICS, Job, JobError, Platform, run
from trainer_sdk.export import Exported, ExportRequest, move, run_export
from trainer_vision.onnx import quantize_onnx
from ultralytics import YOLO
from ultralytics.engine.exporter import export_formats
from ultralytics.nn.autobackend import AutoBackend
from yolo import CONFIDENCE, MOST, OVERLAP, TASKS, device, load_model

FORMATS = {"onnx": "onnx", "torchscript": "torchscript", "tensorrt": "engine", "coreml": "coreml", "tflite": "litert", "openvino": "openvino"}
ROUNDS = 5


def main(job: Job, platform: Platform) -> None:
    request = ExportRequest.load(job, sys.argv[1:], list(FORMATS))
    if request.preprocessing:
        platform.event("export_option_ignored", "INCLUDE_PREPROCESSING: Ultralytics exports no preprocessing; metadata.json describes it", {})
    run_export(job, platform, request, "ultralytics", lambda: convert(job, platform, request))


def convert(job: Job, platform: Platform, request: ExportRequest) -> Exported:
    work = Path(tempfile.mkdtemp(prefix="export-"))  # Ultralytics writes beside the checkpoint
    model = load_model(Path(shutil.copy(request.checkpoint, work)))
    trained = model.overrides.get("imgsz", 640)
    height, width = request.input_size or (trained, trained)
    if request.validate and height != width:
        raise JobError(f"ENABLE_VALIDATION: Ultralytics measures on square images only, INPUT_SIZE is {[height, width]}")
    suppresses = request.postprocessing and model.task != "classify" and takes(request.format, "nms")
    simplify = {"simplify": request.optimization_level > 0} if takes(request.format, "simplify") else {}
    if request.postprocessing and not suppresses and model.task != "classify":
        platform.event("export_option_ignored", f"INCLUDE_POSTPROCESSING: Ultralytics puts no suppression into {request.format}; metadata.json describes it", {})
    try:
        written = Path(model.export(
            format=FORMATS[request.format], imgsz=[height, width], device=device(job), nms=suppresses or None, conf=CONFIDENCE, iou=OVERLAP, max_det=MOST, **simplify,
        ))
    except Exception as error:
        raise JobError(f"the export to {request.format} failed: {error}") from error
    target = move(written, request.target)
    if request.quantization == "dynamic":
        platform.export_progress(50, "optimizing", "Quantizing the weights to int8")
        quantize_onnx(target)
    shape = (1, 3, height, width)
    output_shape, milliseconds = try_out(target, shape, job)
    platform.export_progress(60, "validating", "Comparing with the original")
    return Exported(
        file=target, input_shape=shape, output_shape=output_shape, inference_ms=milliseconds,
        model={"architecture": Path(str(model.model.yaml.get("yaml_file", job.model))).stem, "num_classes": len(model.names), "class_names": list(model.names.values())},
        preprocessing=preprocessing(model.task, height, width), postprocessing=postprocessing(model.task, suppresses),
        accuracy=accuracies(job, request, target, model.task, height, suppresses) if request.validate else None,
    )


def try_out(path: Path, shape: tuple[int, ...], job: Job) -> tuple[list[int], float]:
    """The output's shape and the time for one image, the median of a few rounds."""
    backend = AutoBackend(str(path), device=torch.device("cuda:0" if job.device == "cuda" else job.device), verbose=False)
    image = torch.zeros(shape, device=backend.device)
    output = backend(image)
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        backend(image)
        times.append(1000 * (time.perf_counter() - started))
    first = output[0] if isinstance(output, list | tuple) else output
    return list(first.shape), float(np.median(times))


def accuracies(job: Job, request: ExportRequest, exported: Path, task: str, size: int, suppresses: bool) -> tuple[float, float]:
    """The primary metric of the exported and of the original model on the validation dataset.

    Both get square images: rectangular validation pads those of the original to a larger size. Where the graph leaves out
    what it is not sure of, the original does too.
    """
    if not job.dataset_dir.is_dir() or job.dataset_dir == Path():
        raise JobError("ENABLE_VALIDATION needs a dataset: set VALIDATION_DATASET_ID")

    def measure(path: Path) -> float:
        sure = {"conf": CONFIDENCE} if suppresses else {}
        arguments: dict[str, Any] = {**sure, "data": str(job.dataset_config), "imgsz": size, "batch": 1, "rect": False, "device": device(job), "plots": False, "verbose": False, "project": tempfile.mkdtemp(prefix="validation-")}
        values = platform_metrics(YOLO(path, task=task).val(**arguments).results_dict)
        return values[PRIMARY_METRICS[TASKS[task]]]

    return measure(exported), measure(request.checkpoint)


def preprocessing(task: str, height: int, width: int) -> dict[str, Any]:
    resize = {"method": "center_crop", "size": [height, width]} if task == "classify" else {"method": "letterbox", "size": [height, width], "fill_value": 114}
    return {"resize": resize, "normalize": {"mean": [0.0] * 3, "std": [255.0] * 3}, "channel_order": "RGB", "data_type": "float32", "layout": "NCHW", "embedded": False}


def takes(name: str, argument: str) -> bool:
    """Whether Ultralytics has an argument for a format: of another value than its default for one that has not, it refuses the export."""
    formats = export_formats()
    return argument in dict(zip(formats["Argument"], formats["Arguments"], strict=True))[FORMATS[name]]


def postprocessing(task: str, suppresses: bool) -> dict[str, Any]:
    if task == "classify":
        return {"softmax": {"apply": False}, "top_k": 5, "embedded": True}
    nms = {"iou_threshold": OVERLAP, "confidence_threshold": CONFIDENCE, "max_detections": MOST}
    return {"nms": nms, "coordinate_format": "xyxy" if suppresses else "cxcywh", "embedded": suppresses}


if __name__ == "__main__":
    run(main, argv=[], fail="export_done")
