#!/usr/bin/env python3
"""Inference beside its peers: the guide's loop of one image a call, Ultralytics' own batched prediction, and ours.

    bench.py [--images 200] [--size 320] [--rounds 3]

The same YOLO11n with random weights predicts the same JPEGs on the CPU; results are compared box by box. Ours runs as predict.py
does, without drawings: reading, batches, records and files are in its time. Prints a section in Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "trainers" / name) for name in ("sdk", "vision", "ultralytics")]

import numpy as np
import offline  # noqa: F401  before ultralytics
import torch
import yolo
from PIL import Image
from trainer_sdk import Job, Platform
from trainer_sdk.inference import InferenceRequest
from trainer_vision.inference import Objects, Predictor
from trainer_vision.inference.running import Run
from ultralytics import YOLO

BATCH, CONFIDENCE = 16, 0.25


def write_images(folder: Path, count: int) -> list[Path]:
    rng = np.random.default_rng(1)
    folder.mkdir()
    paths = []
    for i in range(count):
        width, height = [(640, 480), (480, 640), (1280, 720)][i % 3]
        small = rng.integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8)
        paths.append(folder / f"{i:04}.jpg")
        Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


def loud(model: YOLO) -> YOLO:
    """A model whose random weights find something: with none found every comparison would hold."""
    torch.manual_seed(1)
    network = model.model.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.5
    with torch.no_grad():
        for _ in range(8):  # its norms learn the scale of what passes
            network(torch.rand(4, 3, 160, 160))
        for branch in network.model[-1].cv3:
            branch[-1].weight.normal_(0, 0.15)
            branch[-1].bias.fill_(-6)
    network.eval()
    return model


def guide(model: YOLO, paths: list[Path], size: int) -> list[np.ndarray]:
    return [model(str(p), imgsz=size, conf=CONFIDENCE, verbose=False)[0].boxes.data.numpy() for p in paths]


def peer(model: YOLO, paths: list[Path], size: int) -> list[np.ndarray]:
    return [r.boxes.data.numpy() for r in model.predict([str(p) for p in paths], stream=True, batch=BATCH, imgsz=size, conf=CONFIDENCE, verbose=False, save=False)]


def ours(weights: Path, paths: list[Path], size: int, out: Path) -> list[np.ndarray]:
    job = Job.load((), {"OUTPUT_DIR": str(out), "TASK_TYPE": "object_detection", "NUM_WORKERS": "2"})
    env = {"CHECKPOINT_FILE": str(weights), "IMAGE_FILES": json.dumps([str(p) for p in paths]), "BATCH_SIZE": str(BATCH), "IMAGE_SIZE": str(size), "CONFIDENCE_THRESHOLD": str(CONFIDENCE), "SAVE_VISUALIZATIONS": "false"}
    request = InferenceRequest.load(job, (), env)
    with contextlib.redirect_stdout(io.StringIO()):
        Run(job, Platform(job), request, yolo.detector(yolo.load_model(weights), job, request, "cpu")).all()
    records = json.loads((out / "results.json").read_text())["results"]
    return [np.array([[*b["bbox"], b["confidence"], b["class_index"]] for b in r["predictions"]["boxes"]]).reshape(-1, 6) for r in records]


def differences(one: list[np.ndarray], other: list[np.ndarray]) -> str:
    counts = sum(len(a) != len(b) for a, b in zip(one, other, strict=True))
    moved = max((float(np.abs(np.sort(a[:, 4]) - np.sort(b[:, 4])).max()) for a, b in zip(one, other, strict=True) if len(a) == len(b) and len(a)), default=0.0)
    return f"{sum(map(len, one))} boxes, {counts} of {len(one)} images with another number of boxes; confidences differ by {moved:.1g} at most"


def many(count: int, folder: Path) -> str:
    """The time and the memory of a job around a model that costs nothing; in a process of its own."""
    Image.new("RGB", (64, 64)).save(folder / "one.png")
    (folder / "best.pt").touch()
    (folder / "images.jsonl").write_text("".join(json.dumps({"uri": f"s3://bucket/{i}.png", "file": str(folder / "one.png")}) + "\n" for i in range(count)))
    five = Objects(np.tile([1.0, 2.0, 30.0, 40.0], (5, 1)), np.zeros(5, int), np.full(5, 0.5))
    job = Job.load((), {"OUTPUT_DIR": str(folder / "out"), "TASK_TYPE": "object_detection", "NUM_WORKERS": "2"})
    request = InferenceRequest.load(job, (), {"CHECKPOINT_FILE": str(folder / "best.pt"), "INPUTS_FILE": str(folder / "images.jsonl"), "SAVE_VISUALIZATIONS": "false"})
    free = Predictor(["a"], np.asarray, len, lambda _raw, sizes, _measured: [five] * len(sizes))
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        Run(job, Platform(job), request, free).all()
    return f"| {count:,} | {time.perf_counter() - started:.0f} s | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, help="only the job of so many images around a model that costs nothing")
    args = parser.parse_args()
    if args.many:
        with tempfile.TemporaryDirectory() as name:
            print(many(args.many, Path(name)))
        return
    os.environ.pop("TASK_TYPE", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_images(folder / "images", args.images)
        weights = folder / "yolo11n.pt"
        model = loud(YOLO("yolo11n.yaml"))
        model.save(weights)
        model = YOLO(weights)
        guide(model, paths[:3], args.size), peer(model, paths[:3], args.size)
        times: dict[str, list[float]] = {"one image a call (the guide's loop)": [], "yolo predict, batch 16": [], "ours, batch 16": []}
        answers: dict[str, list[np.ndarray]] = {}
        for i in range(args.rounds):
            for label, run in zip(times, (lambda: guide(model, paths, args.size), lambda: peer(model, paths, args.size), lambda i=i: ours(weights, paths, args.size, folder / f"out-{i}")), strict=True):
                started = time.perf_counter()
                answers[label] = run()
                times[label].append(time.perf_counter() - started)
    first, second, third = answers.values()
    print(f"## Inference: {args.images} JPEGs of three shapes, YOLO11n at {args.size} px, CPU, median of {args.rounds} rounds\n")
    print("| | images a second |\n|---|---|")
    for label, taken in times.items():
        print(f"| {label} | {args.images / statistics.median(taken):.1f} |")
    print(f"\nOurs beside one image a call: {differences(first, third)}. `yolo predict` in batches of mixed shapes pads them otherwise: {differences(first, second)}.")
    print("Ours includes loading the checkpoint, its records and its files; drawings are off.")
    print("\nA job of small images and five boxes each around a model that costs nothing, with PyTorch loaded:\n\n| images | time | peak memory |\n|---|---|---|", flush=True)
    for count in (1000, 100_000):
        subprocess.run([sys.executable, __file__, "--many", str(count)], check=True)


if __name__ == "__main__":
    main()
