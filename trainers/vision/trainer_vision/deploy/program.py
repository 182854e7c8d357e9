"""A graph with an example of its input: what converters start from. Needs torch.

Saved as .pt2 it is read in other environments without the framework that made the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import Dim, ExportedProgram

from .graph import Graph
from .subject import Subject

LARGEST_SIDE = 16384  # pixels of an image that is resized in the graph


@dataclass(frozen=True)
class Program:
    """What is converted."""

    graph: Graph
    example: torch.Tensor
    free: Sequence[int]  # dimensions of the input that are free

    @property
    def input_shape(self) -> list[int]:
        return [-1 if i in self.free else size for i, size in enumerate(self.example.shape)]

    @property
    def layout(self) -> str:
        return "HWC" if self.graph.whole else "NHWC" if self.graph.pixels else "NCHW"

    def exported(self) -> ExportedProgram:
        names = {0: "height", 1: "width"} if self.graph.whole else {0: "batch"}
        free = {i: Dim(names[i], min=1, max=LARGEST_SIDE) if self.graph.whole else Dim.DYNAMIC for i in self.free}
        with torch.no_grad():
            return torch.export.export(self.graph, (self.example,), dynamic_shapes=(free,) if free else None, strict=False)

    def answer(self) -> list[np.ndarray]:
        """What the graph says of the example."""
        with torch.inference_mode():
            return [one.numpy() for one in self.graph(self.example)]

    def save(self, target: Path) -> Path:
        torch.export.save(self.exported(), target)
        return target


def program(subject: Subject, *, whole: bool, pixels: bool, post: bool, batch: bool, dtype: str = "uint8") -> Program:
    """The graph of a subject; `batch` frees the number of prepared images, `dtype` is that of a whole image."""
    how = subject.preprocess
    graph = Graph(subject, whole, pixels, post).eval()
    random = torch.Generator().manual_seed(0)
    if whole:
        example: Any = torch.randint(0, 256, (70, 110, 3), dtype=torch.uint8, generator=random).to(getattr(torch, dtype))
        return Program(graph, example, (0, 1))
    if pixels:
        return Program(graph, torch.randint(0, 256, (1, how.height, how.width, 3), generator=random).float(), ())
    count = 2 if batch else 1
    return Program(graph, torch.rand(count, 3, how.height, how.width, generator=random), (0,) if batch else ())
