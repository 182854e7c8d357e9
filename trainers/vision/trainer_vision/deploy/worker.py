"""What runs in a toolbox: a converter that answers calls on standard input, one line of JSON and its arrays each. Needs numpy.

The other side is `formats.remote`. Nothing here imports the framework that made the model.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .formats import Precision, Run, Signature


def send(out: BinaryIO, message: Mapping[str, Any], arrays: Sequence[np.ndarray] = ()) -> None:
    """A pipe has no position, which NumPy wants of a file: so each array goes as a block of known length."""
    blocks = [packed(array) for array in arrays]
    out.write(json.dumps({**message, "arrays": [len(block) for block in blocks]}).encode() + b"\n")
    for block in blocks:
        out.write(block)
    out.flush()


def packed(array: np.ndarray) -> bytes:
    block = io.BytesIO()
    np.save(block, array, allow_pickle=False)
    return block.getvalue()


def receive(source: BinaryIO) -> tuple[dict[str, Any], list[np.ndarray]] | None:
    """None at the end."""
    line = source.readline()
    if not line:
        return None
    message = json.loads(line)
    return message, [np.load(io.BytesIO(source.read(length)), allow_pickle=False) for length in message["arrays"]]


class Worker:
    """One format's module, and the file that is open."""

    def __init__(self, name: str, signature: Signature) -> None:
        self.signature = signature
        self.kind = importlib.import_module(f".formats.{name}", __package__)
        self.run: Run | None = None

    def answer(self, call: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> tuple[dict[str, Any], Sequence[np.ndarray]]:
        match call["call"]:
            case "write":
                precision = Precision(call["kind"], call["dtype"], tuple(arrays), tuple(call["keep"]))
                self.kind.write(Path(call["source"]), Path(call["target"]), call["metadata"], precision, self.signature)
            case "load":
                self.run = self.kind.load(Path(call["target"]), self.signature)
            case "run":
                assert self.run is not None
                return {}, [np.ascontiguousarray(one) for one in self.run(arrays[0])]
            case "layers":
                return {"layers": self.kind.layers(Path(call["source"]))}, []
            case "unfit":
                return {"layers": self.kind.unfit(Path(call["source"]), call["kind"])}, []
            case "versions":
                return {"versions": {name: version(name) for name in self.kind.PACKAGES}}, []
        return {}, []


def main(name: str, signature: str) -> None:
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what converters print must not stand between the answers
    worker = Worker(name, Signature(**json.loads(signature)))
    while (received := receive(sys.stdin.buffer)) is not None:
        try:
            message, arrays = worker.answer(*received)
        except Exception as error:
            traceback.print_exc()
            message, arrays = {"error": f"{type(error).__name__}: {error}"}, []
        send(replies, message, arrays)
