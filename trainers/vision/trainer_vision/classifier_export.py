"""export.py of classifiers and segmenters: ONNX and TorchScript, compared with the original. Needs torch.

What is exported can carry its own preprocessing (RGB from 0 to 255 goes in) and its own softmax.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from trainer_sdk import Job, JobError, Platform, run
from trainer_sdk.export import Exported, ExportRequest, run_export

from .classifier import Classifier, Load, labelled_samples
from .images import read_image
from .onnx import quantize_onnx
from .segmenter import Segmenter, exported_metrics

ROUNDS = 5
EXPORT_FORMATS = ("onnx", "torchscript")
EXPORT_TOLERANCE = 1e-3  # of a probability, exported against original


class Deployed(nn.Module):
    """The model with what the request embeds in it."""

    def __init__(self, classifier: Classifier | Segmenter, preprocessing: bool, postprocessing: bool) -> None:
        super().__init__()
        self.model = classifier.model
        self.preprocessing, self.postprocessing = preprocessing, postprocessing
        self.register_buffer("mean", torch.tensor(classifier.mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(classifier.std).view(1, 3, 1, 1) * 255)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.preprocessing:
            images = (images - self.mean) / self.std
        logits = self.model(images)
        return logits.softmax(1) if self.postprocessing else logits


def export(load: Load, framework: str) -> None:
    def main(job: Job, platform: Platform) -> None:
        request = ExportRequest.load(job, sys.argv[1:], EXPORT_FORMATS)
        if request.input_size and request.input_size[0] != request.input_size[1]:
            raise JobError(f"INPUT_SIZE {list(request.input_size)} is not square, which these models want")
        classifier = load(job, request.checkpoint, request.input_size[0] if request.input_size else None)
        run_export(job, platform, request, framework, lambda: convert(job, platform, request, classifier))

    run(main, argv=[], fail="export_done")


def convert(job: Job, platform: Platform, request: ExportRequest, classifier: Classifier | Segmenter) -> Exported:
    model = Deployed(classifier, request.preprocessing, request.postprocessing).eval()
    image = torch.rand(1, 3, classifier.size, classifier.size, generator=torch.Generator().manual_seed(0)) * (255 if request.preprocessing else 1)
    with torch.inference_mode():
        expected = model(image)
    write(model, image, request)
    if request.quantization == "dynamic":
        platform.export_progress(50, "optimizing", "Quantizing the weights to int8")
        quantize_onnx(request.target)
    call = loaded(request)
    platform.export_progress(60, "validating", "Comparing with the original")
    difference = (call(image) - expected).abs().max().item()
    if not math.isfinite(difference):
        raise JobError("the model answers with NaN or infinity on a random image: its weights are broken, or the export breaks them")
    if request.quantization == "none" and difference > EXPORT_TOLERANCE * max(expected.abs().max().item(), 1):
        raise JobError(f"the exported model differs from the original by {difference:.2g} on a random image")
    milliseconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call(image)
        milliseconds.append(1000 * (time.perf_counter() - started))
    size = [classifier.size, classifier.size]
    return Exported(
        file=request.target, input_shape=tuple(image.shape), output_shape=tuple(expected.shape), inference_ms=float(np.median(milliseconds)),
        model={"architecture": classifier.architecture, "num_classes": len(classifier.names), "class_names": list(classifier.names)},
        preprocessing={
            "resize": {"method": "resize" if isinstance(classifier, Segmenter) else "resize_crop", "size": size}, "normalize": {"mean": list(classifier.mean), "std": list(classifier.std), "scale": 1 / 255},
            "channel_order": "RGB", "data_type": "float32", "layout": "NCHW", "embedded": request.preprocessing,
        },
        postprocessing={"softmax": {"apply": not request.postprocessing, "temperature": 1.0}, **({} if isinstance(classifier, Segmenter) else {"top_k": 5}), "embedded": request.postprocessing},
        accuracy=accuracies(job, classifier, request, call) if request.validate else None,
    )


def write(model: nn.Module, image: torch.Tensor, request: ExportRequest) -> None:
    try:
        if request.format == "torchscript":
            with torch.inference_mode():
                torch.jit.save(torch.jit.trace(model, image, check_trace=False), request.target)
            return
        torch.onnx.export(model, (image,), request.target, dynamo=True, optimize=request.optimization_level > 0, external_data=False, input_names=["images"], output_names=["output"], verbose=False)
    except ImportError as error:
        raise JobError(f"the export to {request.format} needs a package that is not installed: {error}") from error


def loaded(request: ExportRequest) -> Callable[[torch.Tensor], torch.Tensor]:
    """The exported file as a function, loaded by the runtime that will serve it."""
    if request.format == "torchscript":
        module = torch.jit.load(request.target)

        def run_torchscript(images: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                return module(images)

        return run_torchscript
    try:
        from onnxruntime import InferenceSession
    except ImportError as error:
        raise JobError(f"checking the export needs onnxruntime: {error}") from error
    session = InferenceSession(request.target, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def accuracies(job: Job, classifier: Classifier | Segmenter, request: ExportRequest, call: Callable[[torch.Tensor], torch.Tensor]) -> tuple[float, float]:
    """Accuracy (of a segmenter mIoU) of the exported and of the original model on the val split of the validation dataset."""
    if isinstance(classifier, Segmenter):
        return exported_metrics(classifier, job, call, request.preprocessing)
    samples = labelled_samples(job, classifier, "val")
    low, high = torch.tensor(classifier.mean).view(3, 1, 1), torch.tensor(classifier.std).view(3, 1, 1)
    hits = [0, 0]
    for path, truth in samples:
        image = classifier.transform(read_image(path))
        raw = (image * high + low) * 255 if request.preprocessing else image
        with torch.inference_mode():
            answers = (call(raw[None]), classifier.model.eval()(image[None]))
        for i, answer in enumerate(answers):
            hits[i] += int(answer.argmax().item() == truth)
    return hits[0] / len(samples), hits[1] / len(samples)
