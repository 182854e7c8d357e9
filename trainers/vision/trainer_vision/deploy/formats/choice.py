"""The converter of a format."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from trainer_sdk import JobError

from ..program import Program
from . import Converter


def converter(name: str, program: Program, work: Path, level: int, say: Callable[[str], None]) -> Converter:
    """`level` is OPTIMIZATION_LEVEL; `say` hears what is installed meanwhile."""
    try:
        from .onnx import Onnx
        from .torchscript import TorchScript
    except ImportError as error:
        raise JobError(f"the export to {name} needs a package that is not installed: {error}") from error
    if name == "onnx":
        return Onnx(program, work)
    if name == "torchscript":
        return TorchScript(program, work)
    if name == "tensorrt":
        from .tensorrt import TensorRT

        return TensorRT(program, work, level)
    from .onnx import PACKAGES
    from .remote import Remote

    sources: dict[str, Callable[[], Path]] = {
        "openvino": Onnx(program, work).float_file,
        "tflite": partial(program.save, work / "program.pt2"),
        "coreml": partial(TorchScript(program, work).traced, work / "program.torchscript"),
    }
    return Remote(name, program, work, sources[name], say, PACKAGES if name == "openvino" else ())
