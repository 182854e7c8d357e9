"""ONNX, as onnxruntime runs it. Needs torch, onnx, onnxscript and onnxruntime."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import GraphProto, ModelProto
from torch import nn

from ..program import Program
from . import Precision, Run, installed

OPSET = 18  # the first that the exporter writes; every runtime of the last three years reads it
PACKAGES = ("onnx", "onnxscript")  # that write the file
WEIGHTED = ("Conv", "Gemm", "MatMul")
DISTANCES = ".dfl"  # the module of a detector that makes distances of its answers
SCOPES = "pkg.torch.onnx.name_scopes"


class Onnx:
    """Written once in float; other precisions are made of that file."""

    def __init__(self, program: Program, work: Path, signed: bool = False) -> None:
        self.program, self.work, self.signed = program, work, signed
        self.made: dict[str, Path] = {}

    def float_file(self, dtype: str = "float32") -> Path:
        if dtype not in self.made:
            self.made[dtype] = convert(halved(self.program) if dtype == "float16" else self.program, self.work / f"{dtype}.onnx")
        return self.made[dtype]

    def write(self, target: Path, metadata: str, precision: Precision) -> None:
        source = self.float_file("float16" if precision.dtype == "float16" else "float32")
        if precision.kind == "none" or precision.dtype == "float16":
            model = onnx.load(source)
        else:
            from . import onnx_quantize

            model = onnx_quantize.quantized(source, self.work / "quantized.onnx", precision, self.signed)
        describe(model, metadata)
        onnx.save(model, target)

    def load(self, target: Path) -> Run:
        return load(target)

    def unfit(self, precision: Precision) -> list[str]:
        return []

    def layers(self) -> list[str]:
        names = [node.name.rpartition("/")[0] for node in onnx.load(self.float_file()).graph.node if node.op_type in WEIGHTED]
        return [name for name in dict.fromkeys(names) if name.startswith("model")]

    def versions(self) -> dict[str, str]:
        return installed(*PACKAGES, "onnxruntime")


def convert(program: Program, target: Path) -> Path:
    made = torch.onnx.export(
        program.exported(), (program.example,), dynamo=True, external_data=False, verbose=False, opset_version=OPSET,
        input_names=["image"], output_names=program.graph.outputs, optimize=True,
    )
    assert made is not None
    model = made.model_proto
    name_nodes(model)
    describe(model, "")
    onnx.save(model, target)
    return target


class Half(nn.Module):
    """A model that computes in half precision between float inputs and outputs. Places of boxes need more: a detector gives its last numbers to float itself."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).half()
        for name, module in self.model.named_modules():
            if name.endswith(DISTANCES):
                module.float()

    def forward(self, images: torch.Tensor) -> Sequence[torch.Tensor]:
        answers = self.model(images.half())
        return tuple(one.float() for one in answers) if isinstance(answers, list | tuple) else (answers.float(),)


def halved(program: Program) -> Program:
    graph = copy.copy(program.graph)
    graph._modules = {**program.graph._modules, "model": Half(program.graph.model)}
    return replace(program, graph=graph)


def name_nodes(model: ModelProto) -> None:
    """Each node's name begins with the module that it is of, so that quantisation can tell them apart."""
    for number, node in enumerate(model.graph.node):
        scopes = next((entry.value for entry in node.metadata_props if entry.key == SCOPES), "[]")
        node.name = f"{path_of(ast.literal_eval(scopes)[:-1])}/{node.op_type}_{number}"


def path_of(scopes: Sequence[str]) -> str:
    """The module's dotted path. Where a model calls its modules by another method than forward, the exporter notes only the end of the path."""
    path, last = "", ""
    for scope in filter(None, scopes):
        path = path + scope[len(last) :] if last and scope.startswith(f"{last}.") else f"{path}.{scope}".lstrip(".")
        last = scope
    return path or "graph"


def describe(model: ModelProto, metadata: str) -> None:
    """Take away what the exporter noted of this machine, and put metadata.json in."""
    for part in parts(model.graph):
        part.doc_string = ""
        del part.metadata_props[:]
    del model.metadata_props[:]
    model.doc_string = ""
    entry = model.metadata_props.add()
    entry.key, entry.value = "metadata", metadata


def parts(graph: GraphProto) -> Iterable[onnx.NodeProto | onnx.ValueInfoProto | onnx.TensorProto | GraphProto]:
    yield graph
    for group in (graph.node, graph.value_info, graph.input, graph.output, graph.initializer):
        yield from group


def load(path: Path) -> Run:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 3
    session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(image: np.ndarray) -> Sequence[np.ndarray]:
        return session.run(None, {name: image})

    return run
