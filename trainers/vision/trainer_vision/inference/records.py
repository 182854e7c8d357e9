"""One image's record in results.json, and the parts in which the records of a job are kept while it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from trainer_sdk import clean

from ..metrics import TOP
from .predictor import Answer, Mask, Objects
from .samples import Sample

PART = 128  # images; what a killed job does again at most
EXPLAINED = 8  # of a job that explains them: seconds each


class Classes:
    """The classes as the platform knows them."""

    def __init__(self, names: Sequence[str], ids: Sequence[Any]) -> None:
        self.names, self.ids = list(names), list(ids)

    def entry(self, index: int, score: float | None = None) -> dict[str, Any]:
        found = {"class_id": self.ids[index], "class_name": self.names[index], "class_index": index}
        return found if score is None else {**found, "confidence": round(float(score), 5)}

    def table(self) -> list[dict[str, Any]]:
        return [self.entry(i) for i in range(len(self.names))]

    def numbered(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Metrics of classes in index order under the platform's ids, unless one of them is a text: the callback takes numbers."""
        ids = self.ids[: len(rows)]
        return [{**row, "class_id": i} for row, i in zip(rows, ids, strict=True)] if all(type(i) is int for i in ids) else list(rows)


def describe(answer: Answer, classes: Classes) -> dict[str, Any]:
    """The predictions of one image; boxes are x1, y1, x2, y2 in pixels."""
    if isinstance(answer, Mask):
        return {"classes": shares(answer, classes)}
    if isinstance(answer, Objects):
        return {"boxes": [_object(answer, i, classes, True) for i in range(len(answer))], "bbox_format": "xyxy"}
    best = np.argsort(-answer, kind="stable")[:TOP]
    top = [classes.entry(int(i), answer[i]) for i in best]
    return {**top[0], "top5": top}


def shares(mask: Mask, classes: Classes) -> list[dict[str, Any]]:
    """The classes in a mask, with their share of its pixels."""
    found, pixels = np.unique(mask.classes[mask.classes >= 0], return_counts=True)
    return [{**classes.entry(int(i)), "share": round(float(n / mask.classes.size), 5)} for i, n in zip(found, pixels, strict=True)]


Truth = Objects | Mask | int | None


def describe_truth(truth: Truth, classes: Classes) -> Any:
    if truth is None:
        return None
    if isinstance(truth, Mask):
        return {"classes": shares(truth, classes)}
    if isinstance(truth, Objects):
        return {"boxes": [_object(truth, i, classes, False) for i in range(len(truth))], "bbox_format": "xyxy"}
    return classes.entry(truth)


def _object(objects: Objects, i: int, classes: Classes, scored: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"bbox": [round(float(v), 2) for v in objects.boxes[i]], **classes.entry(int(objects.classes[i]), objects.scores[i] if scored else None)}
    if objects.polygons is not None:
        found["segmentation"] = [[round(float(v), 2) for v in np.ravel(objects.polygons[i])]]
    if objects.keypoints is not None:
        found["keypoints"] = [[round(float(v), 2) for v in point] for point in objects.keypoints[i]]
    return found


class Parts:
    """The records, PART images a file, each written at once. A job that is started again goes on behind the last whole part.

    `asked` is all that the records depend on beside the images: parts of another request are no use.
    """

    def __init__(self, folder: Path, samples: Sequence[Sample], asked: Any, size: int = PART) -> None:
        self.folder = folder
        self.chunks = [list(samples[i : i + size]) for i in range(0, len(samples), size)]
        names = "\n".join(f"{s.name}\t{s.error}" for s in samples)
        self.stamp = hashlib.sha256(f"{json.dumps(clean(asked), sort_keys=True)}\n{names}".encode()).hexdigest()[:16]

    def open(self, resume: bool) -> list[int]:
        """The numbers of the parts that are still to do. Those of another request, or of one that is not resumed, are removed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mine = {self._path(i) for i in range(len(self.chunks))} if resume else set()
        for path in self.folder.iterdir():
            if path not in mine:
                path.unlink()
        return [i for i in range(len(self.chunks)) if not self._path(i).exists()]

    def write(self, number: int, records: Sequence[dict[str, Any]]) -> None:
        path = self._path(number)
        partial = path.with_name(f".{path.name}.tmp")
        partial.write_text("".join(json.dumps(clean(r), ensure_ascii=False, allow_nan=False) + "\n" for r in records), encoding="utf-8")
        partial.replace(path)

    def records(self) -> Iterator[dict[str, Any]]:
        """All records in the order of the images; one part is in memory at a time."""
        for number in range(len(self.chunks)):
            with self._path(number).open(encoding="utf-8") as lines:
                yield from map(json.loads, lines)

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:06}-{self.stamp}.jsonl"


def fingerprint(checkpoint: Path) -> str:
    """Of a file, or of all files of a folder: every training calls its best one best.pt."""
    files = [checkpoint] if checkpoint.is_file() else sorted(p for p in checkpoint.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as content:
            while piece := content.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()
