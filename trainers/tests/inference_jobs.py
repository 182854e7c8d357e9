"""Inference jobs with a model that a test can see through."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from process import TrainerTest
from trainer_sdk import Job, Platform
from trainer_sdk.inference import InferenceRequest
from trainer_vision.inference import Objects, Predictor
from trainer_vision.inference.running import Run

NAMES = ["고양이", "dog"]


def objects(*rows: tuple[float, ...]) -> Objects:
    """Rows of x1, y1, x2, y2, class, score."""
    values = np.array(rows, dtype=float).reshape(-1, 6)
    return Objects(values[:, :4], values[:, 4].astype(int), values[:, 5])


class InferenceTest(TrainerTest):
    """A model that sees the brightest corner of a picture as its one object."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.batches: list[int] = []
        self.checkpoint = b""

    def images(self, count: int) -> list[Path]:
        (self.root / "in").mkdir(exist_ok=True)
        paths = [self.root / "in" / f"{i:03}.png" for i in range(count)]
        for i, path in enumerate(paths):
            Image.new("RGB", (40, 20 if i % 3 else 30), (i, 0, 0)).save(path)
        return paths

    def predictor(self) -> Predictor:
        def infer(batch: list[np.ndarray]) -> np.ndarray:
            self.batches.append(len(batch))
            return np.stack(batch)

        def decode(raw: np.ndarray, sizes: list[tuple[int, int]], measured: bool) -> list[Objects]:
            return [objects((1, 2, width - 3, height - 4, 0, 0.5 + image[0, 0, 0] / 1000)) for image, (width, height) in zip(raw, sizes, strict=True)]

        return Predictor(NAMES, np.asarray, infer, decode, settings={"confidence": 0.25})

    def run_job(self, lines: list[dict[str, Any]], **env: str) -> list[dict[str, Any]]:
        (self.root / "images.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))  # as the agent writes it
        (self.root / "best.pt").write_bytes(self.checkpoint)
        classes = {"classes": [{"index": i, "name": name, "id": 7 * (i + 1)} for i, name in enumerate(NAMES)]}
        (self.root / "classes.json").write_text(json.dumps(classes))
        job = Job.load((), {"OUTPUT_DIR": str(self.root / "out"), "TASK_TYPE": "object_detection", "NUM_WORKERS": "2", "CLASSES_FILE": str(self.root / "classes.json")})
        given = {"CHECKPOINT_FILE": str(self.root / "best.pt"), "INPUTS_FILE": str(self.root / "images.jsonl"), "BATCH_SIZE": "4", **env}
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
            Run(job, Platform(job), InferenceRequest.load(job, (), given), self.predictor()).all()
        self.out = out.getvalue()
        return json.loads((self.root / "out/results.json").read_text())["results"]

    def lines(self, paths: list[Path]) -> list[dict[str, Any]]:
        return [{"uri": f"s3://b/in/{p.name}", "file": str(p)} for p in paths]
