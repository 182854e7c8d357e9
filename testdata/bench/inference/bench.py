#!/usr/bin/env python3
"""Inference beside its peers: the guide's loop of one image a call, Ultralytics' own batched prediction and validation, and ours.

    bench.py [--images 120] [--rounds 3] [--kinds mixed-96 mixed-320 vga-640 photo-640]

The same YOLO11n with random weights predicts the same JPEGs on the CPU; results are compared box by box. Ours runs as predict.py
does, without drawings: reading, batches, records and files are in its time; loading the checkpoint, which the peers have done too,
is told apart. Beside them is the time of the model alone, on images that are read and prepared already: no loop around it, on the
same threads, can be faster. Prints a section in Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "trainers" / name) for name in ("sdk", "vision", "ultralytics")]

import offline  # noqa: F401  before ultralytics
import numpy as np
import torch
import yolo
from PIL import Image
from trainer_sdk import Job, Platform
from trainer_sdk.inference import InferenceRequest
from trainer_vision.inference import Objects, Predictor
from trainer_vision.inference.measure import measure_of
from trainer_vision.inference.running import Run
from trainer_vision.processes import use_cpus
from ultralytics import YOLO
from ultralytics.data.augment import LetterBox

THEIRS = torch.get_num_threads()  # as Ultralytics has set it for the model of its users
BATCH, CONFIDENCE = 16, 0.25
COLUMNS = ("guide", "peer", "ours", "ours1", "single", "batched", "val", "test")
DOES_IT_ALL = ("guide", "peer", "ours", "ours1", "val", "test")  # reads, predicts and writes; the others have images that are ready


@dataclass(frozen=True)
class Kind:
    """Images of some shapes, and the size at which the model sees them."""

    words: str
    shapes: tuple[tuple[int, int], ...]
    size: int
    share: float = 1.0  # of --images
    noise: float = 0.0  # as of a camera: it makes the files as large as photographs

    def write(self, folder: Path, count: int) -> list[Path]:
        rng = np.random.default_rng(1)
        folder.mkdir()
        paths = [folder / f"{i:04}.jpg" for i in range(max(4, round(self.share * count)))]
        for i, path in enumerate(paths):
            width, height = self.shapes[i % len(self.shapes)]
            small = Image.fromarray(rng.integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8))
            picture = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(np.float32)
            picture += self.noise * rng.standard_normal(picture.shape, dtype=np.float32)
            Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        return paths


MIXED = ((640, 480), (480, 640), (1280, 720))
KINDS = {
    "mixed-96": Kind("three shapes, at 96", MIXED, 96),
    "mixed-320": Kind("three shapes, at 320", MIXED, 320),
    "vga-640": Kind("640 × 480, at 640", MIXED[:1], 640, 0.5),
    "photo-640": Kind("12 megapixels, at 640", ((4000, 3000),), 640, 0.2, 6),
}


def loud(model: YOLO, images: list[np.ndarray]) -> YOLO:
    """A model whose random weights find about as much as a trained one: a few sure boxes an image, and some hundred that are none.

    With nothing found every comparison would hold; with everything found it would be one of suppression alone.
    """
    torch.manual_seed(1)
    network = model.model.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.5
    sample = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    last = [branch[-1] for branch in network.model[-1].cv3]  # what turns features into the scores of classes
    with torch.no_grad():
        for _ in range(8):  # its norms learn the scale of what passes
            network(sample)
        for layer in last:
            layer.weight.normal_(0, 0.15)
            layer.bias.zero_()
        network.eval()
        scores: list[torch.Tensor] = []
        hooks = [layer.register_forward_hook(lambda _m, _a, out: scores.append(out.amax(1).flatten())) for layer in last]
        network(sample)
        for hook in hooks:
            hook.remove()
        sure, some = torch.quantile(torch.cat(scores), torch.tensor([0.998, 0.9]))
        scale = 7 / (sure - some)  # a confidence of 0.5 there, of 0.001 here
        for layer in last:
            layer.weight.mul_(scale)
            layer.bias.fill_(float(-scale * sure))
    return model


def guide(model: YOLO, paths: list[Path], size: int) -> list[np.ndarray]:
    torch.set_num_threads(THEIRS)
    return [model(str(p), imgsz=size, conf=CONFIDENCE, verbose=False)[0].boxes.data.numpy() for p in paths]


def peer(model: YOLO, paths: list[Path], size: int) -> list[np.ndarray]:
    torch.set_num_threads(THEIRS)
    return [r.boxes.data.numpy() for r in model.predict([str(p) for p in paths], stream=True, batch=BATCH, imgsz=size, conf=CONFIDENCE, verbose=False, save=False)]


def asked(weights: Path, paths: list[Path], size: int, out: Path) -> tuple[Job, InferenceRequest]:
    job = Job.load((), {"OUTPUT_DIR": str(out), "TASK_TYPE": "object_detection", "NUM_WORKERS": "2"})
    env = {"CHECKPOINT_FILE": str(weights), "IMAGE_FILES": json.dumps([str(p) for p in paths]), "BATCH_SIZE": str(BATCH), "IMAGE_SIZE": str(size), "CONFIDENCE_THRESHOLD": str(CONFIDENCE), "SAVE_VISUALIZATIONS": "false"}
    return job, InferenceRequest.load(job, (), env)


def ours(predictor: Predictor, job: Job, request: InferenceRequest, torch_alone: bool = False) -> list[np.ndarray]:
    """With as many threads for the model as a job has, or with as many as the peers."""
    torch.set_num_threads(THEIRS)
    if not torch_alone:
        use_cpus()
    with contextlib.redirect_stdout(io.StringIO()):
        Run(job, Platform(job), request, predictor).all()
    records = json.loads((request.output_dir / "results.json").read_text())["results"]
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
    return f"| {count:,} | {time.perf_counter() - started:.0f} s | {peak_memory()} MiB |"


def peak_memory() -> int:
    """MiB; not getrusage's figure, which a process inherits from the one that started it."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")) >> 10


def measured(count: int) -> str:
    """The time and the memory of measuring a test run, with as many detections an image as COCO looks at; in a process of its own."""
    rng = np.random.default_rng(0)
    measure = measure_of("object_detection", [str(i) for i in range(80)], 0.25)
    started = time.perf_counter()
    for i in range(count):
        truth, found = (Objects(boxes_at(rng, n), rng.integers(0, 8, n) * 10, rng.uniform(0.001, 1, n).astype(np.float32)) for n in (7, 100))
        measure.add(f"{i}.jpg", found.take(np.flatnonzero(found.scores > 0.9)), found, truth, (640, 640))
    measure.result()
    return f"| {count:,} | {time.perf_counter() - started:.0f} s | {peak_memory()} MiB |"


def boxes_at(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(0, 500, (count, 2))
    return np.hstack([corner, corner + rng.uniform(10, 140, (count, 2))]).astype(np.float32)


def alone(weights: Path, paths: list[Path], size: int, batch: int) -> float:
    """Seconds that the model itself takes for images that are ready, and the suppression of its boxes."""
    job, request = asked(weights, paths[:1], size, weights.parent / "alone")
    predictor = yolo.detector(yolo.load_model(weights), job, request, "cpu")
    ready: dict[object, list[tuple[object, tuple[int, int]]]] = {}
    for path in paths:
        image = predictor.read(path)
        prepared = predictor.prepare(image)
        ready.setdefault(predictor.shape(prepared), []).append((prepared, image.shape[1::-1]))
    batches = [group[i : i + batch] for group in ready.values() for i in range(0, len(group), batch)]
    predictor.infer([prepared for prepared, _ in batches[0]])
    started = time.perf_counter()
    for part in batches:
        predictor.decode(predictor.infer([prepared for prepared, _ in part]), [shape for _, shape in part], False)
    return time.perf_counter() - started


def write_labels(root: Path, paths: list[Path]) -> None:
    """The images as the val split of a prepared dataset, one box on each."""
    for part in ("images/val", "labels/val"):
        (root / part).mkdir(parents=True)
    for i, path in enumerate(paths):
        (root / "images/val" / path.name).symlink_to(path)
        (root / "labels/val" / f"{path.stem}.txt").write_text(f"{i % 80} 0.5 0.5 0.4 0.4\n")
    names = YOLO("yolo11n.yaml").names
    (root / "data.yaml").write_text(f"path: {root}\ntrain: images/val\nval: images/val\nnames: {json.dumps({i: names[i] for i in names})}\n")


def validation(model: YOLO, root: Path, size: int) -> float:
    torch.set_num_threads(THEIRS)
    return float(model.val(data=str(root / "data.yaml"), batch=BATCH, imgsz=size, device="cpu", workers=2, plots=False, verbose=False, project=str(root / "val"), exist_ok=True).box.map)


def test_run(weights: Path, root: Path, size: int, out: Path) -> float:
    job = Job.load((), {"OUTPUT_DIR": str(out), "TASK_TYPE": "object_detection", "NUM_WORKERS": "2", "DATASET_DIR": str(root)})
    request = InferenceRequest.load(job, (), {"CHECKPOINT_FILE": str(weights), "INFERENCE_TYPE": "test_run", "BATCH_SIZE": str(BATCH), "IMAGE_SIZE": str(size), "SAVE_VISUALIZATIONS": "false"})
    with contextlib.redirect_stdout(io.StringIO()):
        Run(job, Platform(job), request, yolo.detector(yolo.load_model(weights), job, request, "cpu")).all()
    return float(json.loads((out / "results.json").read_text())["overall_metrics"]["mAP50-95"])


def timed(rounds: int, runs: dict[str, Any]) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
    """The median seconds of each, the median seconds of processors, and its last answer; the rounds take turns, so that a busy minute meets them all."""
    times: dict[str, list[float]] = {label: [] for label in runs}
    work: dict[str, list[float]] = {label: [] for label in runs}
    answers: dict[str, Any] = {}
    for _ in range(rounds):
        for label, run in runs.items():
            started, worked = time.perf_counter(), sum(os.times()[:4])
            answers[label] = run()
            times[label].append(time.perf_counter() - started)
            work[label].append(sum(os.times()[:4]) - worked)
    return medians(times), medians(work), answers


def medians(taken: dict[str, list[float]]) -> dict[str, float]:
    return {label: statistics.median(values) for label, values in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measured", type=int, help="only the measuring of a test run of so many images")
    parser.add_argument("--many", type=int, help="only the job of so many images around a model that costs nothing")
    args = parser.parse_args()
    if args.measured:
        print(measured(args.measured))
        return
    if args.many:
        with tempfile.TemporaryDirectory() as name:
            print(many(args.many, Path(name)))
        return
    os.environ.pop("TASK_TYPE", None)
    print(f"## Inference: JPEGs, YOLO11n, {os.cpu_count()} CPUs, images a second, median of {args.rounds} rounds\n")
    print(
        f"| JPEGs, and pixels of the model | one image a call (the guide's loop) | yolo predict, batch 16 | ours, batch 16 | ours with {THEIRS} thread for the model"
        " | the model alone, one by one | in batches | yolo val | our test run |\n|---|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as name:
        notes = [compare(Path(name, kind), KINDS[kind], args) for kind in args.kinds]
    print("\n" + "\n".join(notes))
    print(f"\nThreads of the model: {THEIRS} as Ultralytics sets it, ours all processors. Processor ms are of all threads and of processes that load images.")
    print("`yolo predict` in batches of mixed shapes pads them otherwise. The three that predict have loaded the checkpoint already; ours includes its")
    print("records and its files, without drawings. `yolo val` and the test run load it, and the test run measures more.")
    print("\nA job of small images and five boxes each around a model that costs nothing, with PyTorch loaded:\n\n| images | time | peak memory |\n|---|---|---|", flush=True)
    for count in (1000, 100_000):
        subprocess.run([sys.executable, __file__, "--many", str(count)], check=True)
    print("\nMeasuring a test run alone: 7 labelled objects and 100 detections of 8 classes an image.\n\n| images | time | peak memory |\n|---|---|---|", flush=True)
    for count in (1000, 20_000):
        subprocess.run([sys.executable, __file__, "--measured", str(count)], check=True)


def compare(folder: Path, kind: Kind, args: argparse.Namespace) -> str:
    """A row of the table, and what is to be said of it."""
    folder.mkdir()
    paths, size = kind.write(folder / "images", args.images), kind.size
    write_labels(folder / "labelled", paths)
    weights = folder / "yolo11n.pt"
    letterbox = LetterBox((size, size), auto=False)
    torch.manual_seed(0)
    loud(YOLO("yolo11n.yaml"), [letterbox(image=yolo.read(path)) for path in paths[:6]]).save(weights)
    model = YOLO(weights)
    guide(model, paths[:3], size), peer(model, paths[:3], size)
    job, request = asked(weights, paths, size, folder / "out")
    started = time.perf_counter()
    predictor = yolo.detector(yolo.load_model(weights), job, request, "cpu")
    loading = time.perf_counter() - started
    times, work, answers = timed(args.rounds, {
        "guide": lambda: guide(model, paths, size), "peer": lambda: peer(model, paths, size),
        "ours": lambda: ours(predictor, job, request), "ours1": lambda: ours(predictor, job, request, torch_alone=True),
        "single": lambda: alone(weights, paths, size, 1), "batched": lambda: alone(weights, paths, size, BATCH),
        "val": lambda: validation(YOLO(weights), folder / "labelled", size), "test": lambda: test_run(weights, folder / "labelled", size, folder / "tested"),
    })
    ready = {**times, "single": answers["single"], "batched": answers["batched"]}
    print(f"| {kind.words} | " + " | ".join(f"{len(paths) / ready[label]:.1f}" for label in COLUMNS) + " |", flush=True)
    print(f"| {kind.words}, processor ms an image | " + " | ".join(f"{1000 * work[label] / len(paths):.1f}" if label in DOES_IT_ALL else "" for label in COLUMNS) + " |", flush=True)
    return (
        f"{kind.words} ({len(paths)} images): the checkpoint was loaded in {loading:.1f} s. Ours beside one image a call: {differences(answers['guide'], answers['ours'])}; "
        f"mAP50-95 of yolo val {answers['val']:.4f}, of our test run {answers['test']:.4f}."
    )


if __name__ == "__main__":
    main()
