"""TensorRT's engine, built from the ONNX file on the GPU that will run it. Needs tensorrt and a GPU of NVIDIA's.

An engine runs only on GPUs like the one that built it: model.onnx lies beside it for every other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from trainer_sdk import JobError

from ..program import Program
from . import Precision, Run
from .onnx import Onnx

WORKSPACE = 4 << 30  # bytes of GPU memory that building may take


class TensorRT:
    """The numbers are those of the ONNX file, which TensorRT keeps (strongly typed)."""

    def __init__(self, program: Program, work: Path, level: int) -> None:
        self.trt = needed()
        self.source, self.program, self.work, self.level = Onnx(program, work, signed=True), program, work, level

    def write(self, target: Path, metadata: str, precision: Precision) -> None:
        onnx_file = self.work / "engine.onnx"
        self.source.write(onnx_file, "", precision)
        trt = self.trt
        log = trt.Logger(trt.Logger.WARNING)
        builder = trt.Builder(log)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, log)
        if not parser.parse_from_file(str(onnx_file)):
            raise JobError(f"TensorRT cannot read the model: {'; '.join(str(parser.get_error(i)) for i in range(parser.num_errors))[:600]}")
        config = builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
        if self.level:
            config.builder_optimization_level = self.level
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise JobError("TensorRT built no engine; the log above says why. model.onnx beside it runs with onnxruntime")
        target.write_bytes(plan)

    def load(self, target: Path) -> Run:
        trt = self.trt
        engine = trt.Runtime(trt.Logger(trt.Logger.WARNING)).deserialize_cuda_engine(target.read_bytes())
        context = engine.create_execution_context()
        names = self.program.graph.outputs

        def run(image: np.ndarray) -> Sequence[np.ndarray]:
            given = torch.from_numpy(np.ascontiguousarray(image)).cuda()
            answers = [torch.empty(tuple(engine.get_tensor_shape(name)), dtype=dtype_of(engine, trt, name), device="cuda") for name in names]
            for name, tensor in zip(["image", *names], [given, *answers], strict=True):
                context.set_tensor_address(name, tensor.data_ptr())
            context.execute_async_v3(torch.cuda.current_stream().cuda_stream)
            torch.cuda.synchronize()
            return [one.cpu().numpy() for one in answers]

        return run

    def unfit(self, precision: Precision) -> list[str]:
        return []

    def layers(self) -> list[str]:
        return self.source.layers()

    def versions(self) -> dict[str, str]:
        return {**self.source.versions(), "tensorrt": self.trt.__version__, "gpu": torch.cuda.get_device_name()}


def dtype_of(engine: Any, trt: Any, name: str) -> torch.dtype:
    return {trt.DataType.FLOAT: torch.float32, trt.DataType.HALF: torch.float16, trt.DataType.INT64: torch.int64, trt.DataType.INT32: torch.int32}[engine.get_tensor_dtype(name)]


def needed() -> Any:
    """The package, or why there is no engine here."""
    beside = "model.onnx, which this job leaves, runs with onnxruntime, or is built into an engine on the machine that serves it (trtexec --onnx=model.onnx)"
    if not torch.cuda.is_available():
        raise JobError(f"EXPORT_FORMAT=tensorrt builds its engine on a GPU of NVIDIA's, and this machine has none. {beside}")
    try:
        import tensorrt
    except ImportError as error:
        raise JobError(f"EXPORT_FORMAT=tensorrt needs NVIDIA's package tensorrt in the image, which is not there ({error}). {beside}") from error
    return tensorrt
