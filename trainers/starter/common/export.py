"""Converts a checkpoint to ONNX: one image in, RGB from 0 to 1, class probabilities out.

From the environment that the agent prepares, or
`python export.py --checkpoint best.ckpt --format onnx --output out`.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import model
import numpy as np
import trainer_vision
from onnx.reference import ReferenceEvaluator
from PIL import Image
from trainer_sdk import Job, JobError, Platform, run
from trainer_sdk.export import ExportRequest
from trainer_sdk.package import Exported, Golden, run_export

TOLERANCE = 1e-3  # of a probability, exported against original
WRAPPER = Path(trainer_vision.__file__).parent / "deploy" / "runtimes" / "python"


def main(job: Job, platform: Platform) -> None:
    request = ExportRequest.load(job, sys.argv[1:], supported=["onnx"])
    network = model.load(request.checkpoint)
    run_export(job, platform, request, "my-trainer", lambda: convert(network, request))


def convert(network: model.Network, request: ExportRequest) -> Exported:
    """Write the file, and prove that it computes what the checkpoint does."""
    if request.quantization != "none" or request.validate:
        raise JobError("this trainer's export has no quantization and no ENABLE_VALIDATION yet: see export.py")
    size = network.image_size
    if request.input_size not in (None, (size, size)):
        raise JobError(f"INPUT_SIZE {list(request.input_size or ())}: this trainer exports at the size of the training, [{size}, {size}]; leave INPUT_SIZE unset")
    model.write_onnx(network, request.target)
    session = ReferenceEvaluator(str(request.target))
    picture = drawn()
    image = np.asarray(model.prepare(picture, size))[None]
    answer = session.run(None, {"images": image})[0]
    golden = Golden(png(picture), picture.width, picture.height, model.probabilities(network, image)[0].tolist(), answer[0].tolist())
    if not golden.difference <= TOLERANCE:  # NaN is no small difference
        raise JobError(f"the exported model differs from the original by {golden.difference:.2g} on a drawn image")
    return Exported(
        file=request.target, architecture=network.name, class_names=network.class_names, size=size, kernel="bicubic", names=("images", "output"), golden=golden,
        verified_by="onnx.reference", wrapper=WRAPPER,
    )


def drawn() -> Image.Image:
    """Patches of many colours, larger than the model's input and of another shape."""
    colours = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((320, 240))


def png(picture: Image.Image) -> bytes:
    target = io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()


if __name__ == "__main__":
    run(main, argv=[], fail="export_done")
