"""One module a format: how it is written from the program, how its file is opened as a function of arrays.

A module is imported only where its packages are: onnx and torchscript beside the trainer, the others in their toolboxes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

import numpy as np

Run = Callable[[np.ndarray], Sequence[np.ndarray]]
"""An exported file as a function: its input → its outputs, in the order of metadata.json."""


@dataclass(frozen=True)
class Precision:
    """In which numbers a file computes."""

    kind: str = "none"  # none, dynamic or static
    dtype: str = "float32"  # int8, int16 or float16
    calibration: Sequence[np.ndarray] = ()  # inputs, for a static one
    keep: Sequence[str] = ()  # parts of the model that stay float, by the beginning of their names

    @property
    def word(self) -> str:
        return self.dtype if self.kind == "none" or self.dtype == "float16" else f"{self.kind} {self.dtype}"

    def keeping(self, parts: Sequence[str]) -> Precision:
        return replace(self, keep=tuple(parts))


@dataclass(frozen=True)
class Signature:
    """What goes in and what comes out."""

    shape: Sequence[int]  # of the input; -1 is free
    outputs: Sequence[str]


class Converter(Protocol):
    """Of one format and one program; it may be asked for several precisions."""

    def write(self, target: Path, metadata: str, precision: Precision) -> None: ...

    def load(self, target: Path) -> Run: ...

    def layers(self) -> list[str]:
        """The parts of the model whose weights may be quantised, from its input to its output."""
        ...

    def unfit(self, precision: Precision) -> list[str]:
        """The layers that stay float in this precision whoever asks, because the format cannot do otherwise."""
        ...

    def versions(self) -> dict[str, str]: ...


def installed(*packages: str) -> dict[str, str]:
    """The versions of those that are there."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
