"""config.pbtxt of NVIDIA's Triton Inference Server for an exported model. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BACKENDS = {"onnx": "onnxruntime", "openvino": "openvino", "torchscript": "pytorch", "tensorrt": "tensorrt"}
TYPES = {"float32": "TYPE_FP32", "float16": "TYPE_FP16", "uint8": "TYPE_UINT8", "int8": "TYPE_INT8", "int32": "TYPE_INT32", "int64": "TYPE_INT64", "bool": "TYPE_BOOL"}


def config(metadata: Mapping[str, Any]) -> str | None:
    """None of formats that Triton does not serve. No batching: a graph that takes whole images has no batch dimension."""
    model = metadata["model"]
    if model["format"] not in BACKENDS:
        return None
    named = model["format"] != "torchscript"  # PyTorch's have no names, only places
    inputs = [tensor(metadata["input"]["name"] if named else "INPUT__0", metadata["input"])]
    outputs = [tensor(output["name"] if named else f"OUTPUT__{i}", output) for i, output in enumerate(metadata["outputs"])]
    return "\n".join([
        f'name: "{name(model)}"', f'backend: "{BACKENDS[model["format"]]}"', f'default_model_filename: "{served(model)}"', "max_batch_size: 0",
        f"input [ {', '.join(inputs)} ]", f"output [ {', '.join(outputs)} ]", "",
    ])


def name(model: Mapping[str, Any]) -> str:
    """Of the model's folder in a repository too: Triton loads no model whose two names differ."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", model["name"])


def served(model: Mapping[str, Any]) -> str:
    """The name under which the model lies in the version's folder."""
    return "model.xml" if model["format"] == "openvino" else Path(model["file"]).name


def tensor(label: str, spec: Mapping[str, Any]) -> str:
    return f'{{ name: "{label}", data_type: {TYPES[spec["dtype"]]}, dims: [ {", ".join(map(str, spec["shape"]))} ] }}'
