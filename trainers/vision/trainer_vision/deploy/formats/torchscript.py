"""TorchScript: traced, and without the names of the files that it was traced from. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..program import Program
from . import Precision, Run


class TorchScript:
    """Float only: torch's own quantisation gives files that other runtimes do not load."""

    def __init__(self, program: Program, work: Path) -> None:
        self.program, self.work = program, work

    def write(self, target: Path, metadata: str, precision: Precision) -> None:
        without_sources(self.traced(self.work / "traced.torchscript", metadata), target)

    def traced(self, target: Path, metadata: str = "") -> Path:
        with torch.no_grad():
            made = torch.jit.trace(self.program.graph, self.program.example, check_trace=False)
        torch.jit.save(made, target, _extra_files={"metadata.json": metadata})
        return target

    def load(self, target: Path) -> Run:
        return load(target)

    def unfit(self, precision: Precision) -> list[str]:
        return []

    def layers(self) -> list[str]:
        return []

    def versions(self) -> dict[str, str]:
        return {}


def without_sources(source: Path, target: Path) -> None:
    """The archive without its debug records, which name the files and lines of this machine."""
    reader = torch._C.PyTorchFileReader(str(source))
    writer = torch._C.PyTorchFileWriter(str(target))
    for name in reader.get_all_records():
        if not name.endswith(".debug_pkl") and name not in {"version", "byteorder", ".data/serialization_id"}:
            data = reader.get_record(name)
            writer.write_record(name, data, len(data))
    writer.write_end_of_file()


def load(path: Path) -> Run:
    module = torch.jit.load(path, map_location="cpu")

    def run(image: np.ndarray) -> Sequence[np.ndarray]:
        with torch.inference_mode():
            answers = module(torch.from_numpy(np.ascontiguousarray(image)))
        return [one.numpy() for one in (answers if isinstance(answers, tuple) else (answers,))]

    return run
