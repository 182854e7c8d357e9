"""Core ML's .mlpackage, from the traced graph. Runs in its toolbox: coremltools.

Its outputs are checked by an interpreter of the written program (`mil`): that proves the graph and its weights, not Apple's hardware.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import coremltools as ct
import coremltools.optimize.coreml as smaller
import numpy as np
import torch
from coremltools.proto import Model_pb2

from . import Precision, Run, Signature, mil

PACKAGES = ("coremltools",)
LARGEST_SIDE = 4096  # pixels of a free side
USUAL_SIDE = 640
WEIGHTED = ("conv", "conv_transpose", "linear", "matmul")  # operations that multiply by weights


def write(source: Path, target: Path, metadata: str, precision: Precision, signature: Signature) -> None:
    shape = [ct.RangeDim(1, LARGEST_SIDE, USUAL_SIDE) if side == -1 else side for side in signature.shape]
    model = ct.convert(
        torch.jit.load(source, map_location="cpu"), convert_to="mlprogram", inputs=[ct.TensorType(name="image", shape=shape, dtype=np.float32)],
        outputs=[ct.TensorType(name=name, dtype=np.int32 if name == "classes" else np.float32) for name in signature.outputs], minimum_deployment_target=ct.target.iOS16, skip_model_load=True,
        compute_precision=halves() if precision.dtype == "float16" else ct.precision.FLOAT32,
    )
    if precision.dtype == "int8":
        model = smaller.linear_quantize_weights(model, of_weights())
    model.user_defined_metadata["metadata"] = metadata
    shutil.rmtree(target, ignore_errors=True)
    model.save(str(target))
    settle(target)


def settle(target: Path) -> None:
    """The same model in the same bytes: the program's maps in one order, and each part called after its path where its name is a random one."""
    program = target / "Data" / "com.apple.CoreML" / "model.mlmodel"
    spec = Model_pb2.Model()
    spec.ParseFromString(program.read_bytes())
    program.write_bytes(spec.SerializeToString(deterministic=True))
    manifest = target / "Manifest.json"
    text = manifest.read_text(encoding="utf-8")
    for name, part in json.loads(text)["itemInfoEntries"].items():
        text = text.replace(name, str(uuid.uuid5(uuid.NAMESPACE_URL, part["path"])))
    manifest.write_text(json.dumps(json.loads(text), indent=4, sort_keys=True) + "\n", encoding="utf-8")


def halves() -> Any:
    """Convolutions and matrix products with weights in half precision; places of pixels and boxes need more."""
    return ct.transform.FP16ComputePrecision(op_selector=lambda op: op.op_type in ("conv", "linear", "matmul") and any(getattr(op, name, None) is not None and op.inputs[name].val is not None for name in ("weight", "y") if name in op.inputs))


def of_weights() -> Any:
    """Weights alone: a rule for all would take every large constant, and the centres of a detector's cells are one from 320 pixels on."""
    rule = smaller.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=512)
    return smaller.OptimizationConfig(op_type_configs=dict.fromkeys(WEIGHTED, rule))


def layers(source: Path) -> list[str]:
    return []


def load(path: Path, signature: Signature) -> Run:
    program = mil.read(path)

    def run(image: np.ndarray) -> Sequence[np.ndarray]:
        return mil.run(program, {"image": image}, signature.outputs)

    return run
