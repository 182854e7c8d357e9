"""Converts a checkpoint to ONNX: one image in, RGB from 0 to 1, class probabilities out.

From the environment that the agent prepares, or
`python export.py --checkpoint best.ckpt --format onnx --output out`.
"""

from __future__ import annotations

import sys
import time

import model
import numpy as np
from onnx.reference import ReferenceEvaluator
from trainer_sdk import Job, JobError, Platform, run
from trainer_sdk.export import Exported, ExportRequest, run_export

TOLERANCE = 1e-3  # of a probability, exported against original


def main(job: Job, platform: Platform) -> None:
    request = ExportRequest.load(job, sys.argv[1:], supported=["onnx"])
    network = model.load(request.checkpoint)
    run_export(job, platform, request, "my-trainer", lambda: convert(network, request))


def convert(network: model.Network, request: ExportRequest) -> Exported:
    """Write the file, and prove that it computes what the checkpoint does."""
    if request.quantization != "none" or request.validate:
        raise JobError("this trainer's export has no quantization and no ENABLE_VALIDATION yet: see export.py")
    size = network.image_size
    model.write_onnx(network, request.target)
    session = ReferenceEvaluator(str(request.target))
    image = np.random.default_rng(0).random((1, 3, size, size), dtype=np.float32)
    started = time.perf_counter()
    answer = session.run(None, {"images": image})[0]
    milliseconds = 1000 * (time.perf_counter() - started)
    difference = float(np.abs(answer - model.probabilities(network, image)).max())
    if not difference <= TOLERANCE:  # NaN is no small difference
        raise JobError(f"the exported model differs from the original by {difference:.2g} on a random image")
    return Exported(
        file=request.target, input_shape=image.shape, output_shape=answer.shape, inference_ms=milliseconds,
        model={"architecture": network.name, "num_classes": len(network.class_names), "class_names": network.class_names},
        preprocessing={"resize": {"method": "resize", "size": [size, size]}, "normalize": {"scale": 1 / 255}, "channel_order": "RGB", "data_type": "float32", "layout": "NCHW", "embedded": False},
        postprocessing={"softmax": {"apply": False, "temperature": 1.0}, "top_k": 5, "embedded": True},
    )


if __name__ == "__main__":
    run(main, argv=[], fail="export_done")
