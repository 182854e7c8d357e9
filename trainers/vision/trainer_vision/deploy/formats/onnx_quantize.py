"""ONNX files in smaller numbers, by onnxruntime. Needs onnx and onnxruntime.

Only what holds weights is quantised (convolutions and matrix products of the model): preprocessing and suppression in
eight bits find nothing any more.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from trainer_sdk import JobError

from ..calibrate import within
from . import Precision

OPSET_16_BITS = 21  # the first whose QuantizeLinear knows 16 bits
WEIGHTED = ("Conv", "Gemm", "MatMul")
QDQ = ("QuantizeLinear", "DequantizeLinear")


class Inputs(CalibrationDataReader):
    def __init__(self, name: str, inputs: Any) -> None:
        self.left = iter([{name: one} for one in inputs])

    def get_next(self) -> Any:
        return next(self.left, None)


def quantized(source: Path, target: Path, precision: Precision, signed: bool = False) -> ModelProto:
    """`target` is overwritten. `signed`: activations in int8 around zero and biases in float, which is all that TensorRT reads."""
    model = prepared(source, precision)
    nodes = [node.name for node in model.graph.node if node.op_type in WEIGHTED and weighs(node.name, precision)]
    if not nodes:  # for onnxruntime that is every node
        raise JobError("this model has no convolution or matrix product with weights that could be quantised: set QUANTIZATION_TYPE=none")
    onnx.save(model, target)
    logging.getLogger().setLevel(logging.ERROR)  # its advice to preprocess first is not for a graph that is optimised
    if precision.kind == "dynamic":
        nodes += [f"{node.name}_MatMul" for node in model.graph.node if node.op_type == "Gemm" and node.name in nodes]  # onnxruntime splits them first, under new names
        quantize_dynamic(target, target, weight_type=QuantType.QUInt8, nodes_to_quantize=nodes)
    else:
        wide = precision.dtype == "int16"
        quantize_static(
            target, target, Inputs(model.graph.input[0].name, precision.calibration), quant_format=QuantFormat.QDQ, nodes_to_quantize=nodes, per_channel=True,
            activation_type=QuantType.QUInt16 if wide else QuantType.QInt8 if signed else QuantType.QUInt8, weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": True, "QuantizeBias": False} if signed else {},
        )
    made = onnx.load(target)
    read_floats(made, precision)
    return made


def read_floats(model: ModelProto, precision: Precision) -> None:
    """onnxruntime gives a tensor's quantised numbers to all who read it, as soon as one of them is quantised. What stays float gets the tensor as it was."""
    maker = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type in QDQ or not within(node.name.rpartition("/")[0], precision.keep):
            continue
        for i, name in enumerate(node.input):
            back = maker.get(name)
            there = maker.get(back.input[0]) if back is not None and back.op_type == "DequantizeLinear" else None
            if there is not None and there.op_type == "QuantizeLinear":
                node.input[i] = there.input[0]


def weighs(name: str, precision: Precision) -> bool:
    """Whether a node is one of the model's, and not of a part that stays float."""
    part = name.rpartition("/")[0]
    return part.startswith("model") and ".dfl" not in part and not within(part, precision.keep)


def prepared(source: Path, precision: Precision) -> ModelProto:
    model = onnx.load(source)
    constants = {tensor.name for tensor in model.graph.initializer}
    shapes = [value for value in model.graph.value_info if value.name not in constants]  # onnxruntime takes those for the shapes of its own tensors
    del model.graph.value_info[:]
    model.graph.value_info.extend(shapes)
    if precision.dtype == "int16" and model.opset_import[0].version < OPSET_16_BITS:
        model = version_converter.convert_version(model, OPSET_16_BITS)
    return model
