"""OpenVINO's model.xml and model.bin, from the ONNX file. Runs in its toolbox: openvino and nncf."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from . import Precision, Run, Signature

PACKAGES = ("openvino", "nncf")
FILE = "model.xml"
WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")


def write(source: Path, target: Path, metadata: str, precision: Precision, signature: Signature) -> None:
    """`target` is the folder of the two files."""
    model = ov.convert_model(source)
    if precision.dtype in ("int8", "int16"):
        model = quantized(model, precision)
    model.set_rt_info(metadata, ["metadata"])
    target.mkdir(parents=True, exist_ok=True)
    ov.save_model(model, target / FILE, compress_to_fp16=precision.dtype == "float16")


def quantized(model: Any, precision: Precision) -> Any:
    import nncf

    floats = [node.get_friendly_name() for node in model.get_ordered_ops() if not weighs(node.get_friendly_name(), precision)]
    scope = nncf.IgnoredScope(names=[name for name in floats if name], validate=False)
    if precision.kind == "dynamic":
        return nncf.compress_weights(model, ignored_scope=scope)
    kind = nncf.ModelType.TRANSFORMER if any(node.get_type_name() == "Softmax" and node.get_friendly_name().startswith("model") for node in model.get_ordered_ops()) else None
    return nncf.quantize(model, nncf.Dataset(list(precision.calibration)), subset_size=len(precision.calibration), preset=nncf.QuantizationPreset.MIXED, ignored_scope=scope, model_type=kind)


def weighs(name: str, precision: Precision) -> bool:
    """Whether a node is one of the model's, and not of a part that stays float."""
    part = re.split(r"[/:]", name)[0]
    return part.startswith("model") and ".dfl" not in part and not any(part == kept or part.startswith(f"{kept}.") for kept in precision.keep)


def layers(source: Path) -> list[str]:
    model = ov.convert_model(source)
    names = [re.split(r"[/:]", node.get_friendly_name())[0] for node in model.get_ordered_ops() if node.get_type_name() in WEIGHTED]
    return [name for name in dict.fromkeys(names) if name.startswith("model")]


def unfit(source: Path, kind: str) -> list[str]:
    """Convolutions of one output of a split. With weights in int8 the CPU plugin makes a product of matrices of one of 1 × 1, and
    takes the split's outputs for one ("While validating node VariadicSplit", openvino 2026.4.1)."""
    if kind != "dynamic":
        return []
    convolutions = [node for node in ov.convert_model(source).get_ordered_ops() if node.get_type_name() == "Convolution"]
    ours = [node for node in convolutions if node.input_value(0).get_node().get_output_size() > 1 and list(node.input_value(1).get_shape())[2:] == [1, 1]]
    return [re.split(r"[/:]", node.get_friendly_name())[0] for node in ours]


def load(path: Path, signature: Signature) -> Run:
    """In full precision: a CPU that has bfloat16 would use it unasked."""
    compiled = ov.Core().compile_model(path / FILE, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(image: np.ndarray) -> Sequence[np.ndarray]:
        answers = compiled(image)
        return [answers[name] for name in signature.outputs]

    return run
