#!/usr/bin/env python3
"""Exports of a fresh yolo11n at 640 px on one core of this CPU: time to make, size, and time for one image against the trainer's own predictor; and what suppression
in the graph costs. On one core, because runtimes take another number of threads each.

Formats whose toolbox cannot be installed here are said, not left out.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "trainers" / name) for name in ("ultralytics", "sdk", "vision")]

import offline  # noqa: F401  before ultralytics
import numpy as np
import torch
from PIL import Image
from trainer_sdk import Job, JobError
from trainer_sdk.export import ExportRequest
from trainer_vision.deploy import golden, matrix, timing, toolbox
from trainer_vision.deploy.formats import Precision
from trainer_vision.deploy.formats.choice import converter
from trainer_vision.deploy.graph import Suppress
from trainer_vision.deploy.output import size_of
from trainer_vision.deploy.program import program
from trainer_vision.deploy.reader import resized
from trainer_vision.deploy.subject import Objects, Subject
from trainer_vision.inference import Predictor
from ultralytics import YOLO
from ultralytics.utils.nms import non_max_suppression

from deploy import subject

SIZE, ROUNDS = 640, 30


def median(function: Callable[[], object]) -> float:
    function()
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        function()
        taken.append(1000 * (time.perf_counter() - started))
    return float(np.median(taken))


def main() -> None:
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])  # of the toolboxes' processes too
    image = golden.card(900, 1)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        YOLO("yolo11n.yaml").save(work / "fresh.pt")
        print(f"## Export\n\nyolo11n with fresh weights at {SIZE} px, one image of {image.width} × {image.height}, one core.\n")
        print("| format | made in | size | one image | original over it |\n|---|---|---|---|---|")
        original = None
        for name in matrix.formats():
            request = ExportRequest(work / "fresh.pt", name, work, (SIZE, SIZE), 0, True, True, "none", "int8", False, 0.02)
            one = subject(Job.load((), {}), request)
            if original is None:
                torch.set_num_threads(1)  # the predictor has asked for more
                original = median(partial(predict, one.predictor, image))
                print(f"| the trainer's own predictor | | {size_of(work / 'fresh.pt') / 2**20:.1f} MiB | {original:.1f} ms | 1.0 |")
            print(row(name, one, request, image, original, work / name))
    print(suppression())


def predict(model: Predictor, image: Image.Image) -> object:
    return model.decode(model.infer([model.prepare(model.from_picture(image))]), [image.size], False)


def row(name: str, one: Subject, request: ExportRequest, image: Image.Image, original: float, work: Path) -> str:
    work.mkdir()
    able = matrix.formats()[name]
    try:
        if able["toolbox"]:
            toolbox.python(able["toolbox"], say)  # made before the clock starts
        started = time.perf_counter()
        made = program(one, whole=able["resizes"], pixels=not able["resizes"], post=True, batch=False, dtype=able["image"])
        kind = converter(name, made, work, 0, say)
        kind.write(request.target, "{}", Precision())
        seconds = time.perf_counter() - started
        pixels = np.array(image)
        given = pixels if able["resizes"] else resized(pixels, one.preprocess.describe())[None]
        torch.set_num_threads(1)
        took = timing.times(kind.load(request.target), given.astype(able["image"]))["median_ms"]
    except JobError as error:
        return f"| {name} | not here: {str(error).split('. ')[0]} | | | |"
    if name == "coreml":
        return f"| {name} | {seconds:.0f} s | {size_of(request.target) / 2**20:.1f} MiB | interpreted here, so not measured | |"
    return f"| {name} | {seconds:.0f} s | {size_of(request.target) / 2**20:.1f} MiB | {took:.1f} ms | {original / took:.1f} |"


def say(text: str) -> None:
    print(text, file=sys.stderr)


def suppression() -> str:
    """On 8,400 anchors of which 400 are sure, crowded on 30 objects."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(50, 590, (30, 2))[rng.integers(0, 30, 8400)] + rng.normal(0, 6, (8400, 2))
    scores = np.where(np.arange(8400) < 400, rng.uniform(0.3, 0.9, 8400), 0.01)
    raw = torch.from_numpy(np.concatenate([centres, rng.uniform(40, 80, (8400, 2)), scores[:, None], np.zeros((8400, 79))], 1).T.astype(np.float32))[None]
    with torch.inference_mode():
        ours, theirs = median(lambda: Suppress(80, Objects(0.25, 0.7))(raw)), median(lambda: non_max_suppression(raw.clone(), 0.25, 0.7))
    return f"\nSuppression of 400 candidates among 8,400 anchors: {ours:.1f} ms in the graph (a matrix of the 900 best, eight rounds), {theirs:.1f} ms by Ultralytics' non_max_suppression."


if __name__ == "__main__":
    main()
