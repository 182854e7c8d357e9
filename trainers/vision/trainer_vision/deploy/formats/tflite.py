"""TensorFlow Lite, from the program by LiteRT. Runs in its toolbox: litert-torch, ai-edge-litert and ai-edge-quantizer."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import qtyping, quantizer, recipe

from . import Precision, Run, Signature

PACKAGES = ("litert-torch", "ai-edge-litert", "ai-edge-quantizer")
SIGNATURE = "serving_default"
TIME = (2020, 1, 1, 0, 0, 0)
WEIGHTED = (qtyping.TFLOperationName.CONV_2D, qtyping.TFLOperationName.DEPTHWISE_CONV_2D, qtyping.TFLOperationName.FULLY_CONNECTED)


def write(source: Path, target: Path, metadata: str, precision: Precision, signature: Signature) -> None:
    plain = source.with_suffix(".tflite")
    if not plain.is_file():
        program = torch.export.load(source)
        litert_torch.convert(program.module(), program.example_inputs[0]).export(str(plain))
    target.unlink(missing_ok=True)
    if precision.kind == "none":
        target.write_bytes(plain.read_bytes())
    else:
        quantize(plain, target, precision)
    with zipfile.ZipFile(target, "a") as archive:  # TensorFlow Lite's own way to carry files: behind the model
        archive.writestr(zipfile.ZipInfo("metadata.json", TIME), metadata)


def quantize(plain: Path, target: Path, precision: Precision) -> None:
    work = quantizer.Quantizer(str(plain))
    if precision.dtype == "float16":
        half(work)
    elif precision.kind == "dynamic":
        work.load_quantization_recipe(recipe.dynamic_wi8_afp32())
    else:
        static(work, 16 if precision.dtype == "int16" else 8)
    found = work.calibrate({SIGNATURE: [{name_of(plain): one} for one in precision.calibration]}) if work.need_calibration else None
    (work.quantize(calibration_result=found) if found else work.quantize()).export_model(str(target), overwrite=True)


def static(work: Any, bits: int) -> None:
    """Only what holds weights: everything in eight bits finds nothing any more."""
    work.load_quantization_recipe([])
    for operation in WEIGHTED:
        work.add_static_config(regex=".*", operation_name=operation, activation_num_bits=bits, weight_num_bits=8)


def half(work: Any) -> None:
    weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    how = qtyping.OpQuantizationConfig(weight_tensor_config=weights, compute_precision=qtyping.ComputePrecision.FLOAT, explicit_dequantize=True)
    work.load_quantization_recipe([])
    work.update_quantization_recipe(regex=".*", operation_name=qtyping.TFLOperationName.ALL_SUPPORTED, algorithm_key=recipe.AlgorithmName.FLOAT_CASTING, op_config=how)


def name_of(file: Path) -> str:
    return next(iter(Interpreter(str(file)).get_signature_list()[SIGNATURE]["inputs"]))


def layers(source: Path) -> list[str]:
    """Not told apart: the converter gives operations names of its own."""
    return []


def load(path: Path, signature: Signature) -> Run:
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner(SIGNATURE)
    (name,) = runner.get_input_details()

    def run(image: np.ndarray) -> Sequence[np.ndarray]:
        answers = runner(**{name: image})
        return [answers[key] for key in sorted(answers, key=lambda key: int(key.rpartition("_")[2]))]

    return run
