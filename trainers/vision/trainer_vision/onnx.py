"""ONNX files after the conversion. Needs onnxruntime."""

from __future__ import annotations

from pathlib import Path

from trainer_sdk import JobError


def quantize_onnx(path: Path) -> None:
    """Weights to int8, in place; activations stay float (onnxruntime's dynamic quantization)."""
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise JobError(f"quantization needs onnxruntime and onnx: {error}") from error
    partial = path.with_name(f".{path.name}.tmp")
    quantize_dynamic(path, partial, weight_type=QuantType.QUInt8)
    partial.replace(path)
