"""One test run or inference job, from its request to its files and its final callback."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from trainer_sdk import Job, JobError, Platform, now, run
from trainer_sdk.inference import InferenceRequest, Progress, final_callback

from .draw import draw, drawing_name, write_sheet
from .explain.explainer import Explainer, Explaining
from .loading import Loaded, loaded
from .measure import HEADS, Measure, Measured, measure_of
from .outputs import write_coco, write_csv, write_results
from .predictor import Answer, Mask, Predictor, finite
from .records import EXPLAINED, PART, Classes, Parts, Truth, describe, describe_truth, fingerprint
from .report import write_report
from .samples import Sample, check_names, given, labelled, task_of

WORST = 48  # images in the report
NAMED = 100  # images that could not be used, by name; results.json has a record of each
Load = Callable[[Job, InferenceRequest], Predictor]


def predict(load: Load) -> None:
    """The main program of a trainer's predict.py and evaluate.py."""

    def main(job: Job, platform: Platform) -> None:
        request = InferenceRequest.load(job, sys.argv[1:])
        Run(job, platform, request, load(job, request)).all()

    run(main, argv=[], fail=final_callback())


DEVICE = re.compile(r"memory|CUDA|cuDNN|cuBLAS|NCCL|HIP error|MPS backend", re.IGNORECASE)  # errors that are no word of the model's on a size


@contextlib.contextmanager
def fitting(size: int | None) -> Iterator[None]:
    """What the model first says of a size that somebody asked for is said with the variable's name: a transformer takes whole patches only."""
    try:
        yield
    except (ValueError, RuntimeError, AssertionError) as error:
        if size is None or DEVICE.search(str(error)):
            raise
        raise JobError(f"IMAGE_SIZE {size}: the model takes no images of that size: {str(error).rstrip('.')}. Without IMAGE_SIZE they have the size of its training") from error


@dataclass
class Timing:
    """Milliseconds of every part, summed over the images."""

    images: int = 0
    load: float = 0.0
    preprocess: float = 0.0
    model: float = 0.0
    postprocess: float = 0.0

    @property
    def average(self) -> float:
        """The model's own time an image: without reading, preparing and drawing."""
        return self.model / max(self.images, 1)

    def means(self) -> dict[str, float]:
        count = max(self.images, 1)
        return {f"{name}_ms": round(getattr(self, name) / count, 3) for name in ("load", "preprocess", "model", "postprocess")}


@dataclass
class Failed:
    """The images that could not be used: how many, and the first of them with the reason."""

    count: int = 0
    named: list[dict[str, Any]] = field(default_factory=list)

    def look(self, record: dict[str, Any]) -> None:
        if record["error"] is not None:
            self.count += 1
            if self.count <= NAMED:
                self.named.append({"image_path": record["image_path"], "image_id": record["image_id"], "error": record["error"]})


class Run:
    """A job under way."""

    def __init__(self, job: Job, platform: Platform, request: InferenceRequest, predictor: Predictor) -> None:
        self.job, self.platform, self.request, self.predictor = job, platform, request, predictor
        self.task = task_of(predictor, job, request.checkpoint)
        asked = Explaining.load(platform)
        with fitting(request.image_size):
            self.explainer = Explainer(predictor, asked, request.output_dir, request.batch_size, platform) if asked else None
        self.classes = Classes(predictor.names, class_ids(job, predictor.names))
        if request.labelled:
            check_names(job, predictor.names[: predictor.classes])
        self.samples = labelled(job, request.split, names=predictor.names) if request.labelled else given(request, job)
        self.measure = self._measure() if request.labelled else None
        self.timing = Timing()
        self.worst: list[tuple[float, int, dict[str, Any]]] = []  # a heap: how bad, place, what the report shows
        self.unexplained: list[str] = []  # why
        self._say_unused()

    def _say_unused(self) -> None:
        """A threshold that somebody set and that the model does not have: the settings name those that it has."""
        for name, variable, value in (("confidence", "CONFIDENCE_THRESHOLD", self.request.confidence), ("iou", "IOU_THRESHOLD", self.request.iou)):
            if value is not None and name not in self.predictor.settings:
                self.platform.event("setting_ignored", f"{variable} {value:g} has no effect: this model for {self.task} has no such threshold", {name: value})

    def _measure(self) -> Measure:
        known = self.predictor
        return measure_of(self.task, known.names, known.settings.get("confidence", 0.0), known.classes, known.overlap)

    def all(self) -> None:
        resume = self.measure is None  # a test run measures in one pass, from the start
        model = fingerprint(self.request.checkpoint) if resume else ""
        parts = Parts(self.request.output_dir / "parts", self.samples, [self._settings(), self.classes.table(), model, self.explainer and asdict(self.explainer.asked)], EXPLAINED if self.explainer else PART)
        todo = parts.open(resume)
        progress = Progress(self.platform, len(self.samples), len(self.samples) - sum(len(parts.chunks[i]) for i in todo))
        workers = max(1, self.job.workers)
        with ThreadPoolExecutor(workers) as pool, ThreadPoolExecutor(1) as artist:
            ahead = 2 * self.request.batch_size + workers
            stream = loaded(pool, self.predictor, (s for i in todo for s in parts.chunks[i]), ahead, self.request.visualize or self.explainer is not None)
            place = {id(s): i for i, s in enumerate(self.samples)}
            for number in todo:
                records = self._part(stream, parts.chunks[number], place, progress, artist)
                if self.platform.stop_requested:
                    return  # what is done of this part is done again when the job goes on
                parts.write(number, records)
        self._finish(parts)

    def _part(self, stream: Iterator[Loaded], chunk: Sequence[Sample], place: dict[int, int], progress: Progress, artist: ThreadPoolExecutor) -> list[dict[str, Any]]:
        """The records of one part, in the order of its images. Images of one shape go through the model together."""
        records: dict[int, dict[str, Any]] = {}
        waiting: dict[Any, list[Loaded]] = {}
        drawings: list[Future[None]] = []
        for _ in chunk:
            if self.platform.stop_requested:
                return []
            item = next(stream)
            if item.error:
                records[place[id(item.sample)]] = self._broken(item)
                progress.advance(1, self.timing.average)
                continue
            batch = waiting.setdefault(self.predictor.shape(item.prepared), [])
            batch.append(item)
            if len(batch) == self.request.batch_size:
                records |= self._batch(batch, place, drawings, artist, progress)
                batch.clear()
        for batch in waiting.values():
            if batch:
                records |= self._batch(batch, place, drawings, artist, progress)
        for drawing in drawings:
            drawing.result()
        return [records[i] for i in sorted(records)]

    def _batch(self, batch: Sequence[Loaded], place: dict[int, int], drawings: list[Future[None]], artist: ThreadPoolExecutor, progress: Progress) -> dict[int, dict[str, Any]]:
        sizes = [(item.width, item.height) for item in batch]
        started = time.perf_counter()
        with fitting(None if self.timing.images else self.request.image_size):
            raw = self.predictor.infer([item.prepared for item in batch])
        inferred = time.perf_counter()
        answers = self.predictor.decode(raw, sizes, False)
        every = self.predictor.decode(raw, sizes, True) if self.measure and self.task in HEADS else answers
        decoded = time.perf_counter()
        self.timing.images += len(batch)
        self.timing.model += 1000 * (inferred - started)
        self.timing.postprocess += 1000 * (decoded - inferred)
        records = {}
        each = self.explainer is not None  # an explanation takes seconds: then every image is told of by itself
        for item, answer, full in zip(batch, answers, every, strict=True):
            if self.platform.stop_requested:  # an explanation takes seconds
                break
            at = place[id(item.sample)]
            self.timing.load += item.load_ms
            self.timing.preprocess += item.prepare_ms
            if not (finite(answer) and finite(full)):
                records[at] = self._broken(replace(item, error=f"the model's answer to {item.sample.name} is NaN or infinite"))
                if each:
                    progress.advance(1, self.timing.average)
                continue
            records[at] = self._record(item, at, answer, full, 1000 * (inferred - started) / len(batch))
            if item.picture is not None and self.request.visualize:
                target = self.request.output_dir / "visualizations" / drawing_name(at, item.sample)
                drawings.append(artist.submit(draw, item, answer, self._truth(item), self.predictor.names, target))
            if each:
                progress.advance(1, self.timing.average)
        if not each:
            progress.advance(len(batch), self.timing.average)
        return records

    def _truth(self, item: Loaded) -> Truth:
        if not self.request.labelled:
            return None
        if item.sample.label is not None:
            return item.sample.label
        if self.predictor.truth is None:
            raise JobError("this trainer's predictor reads no labels (Predictor.truth), so it makes no test runs")
        return self.predictor.truth(item.sample.path, item.width, item.height)

    def _record(self, item: Loaded, at: int, answer: Answer, every: Answer, milliseconds: float) -> dict[str, Any]:
        truth = self._truth(item)
        record = {
            **self._image(item.sample), "width": item.width, "height": item.height, "predictions": describe(answer, self.classes),
            "ground_truth": describe_truth(truth, self.classes), "inference_time_ms": round(milliseconds, 3), "error": None,
        }
        if isinstance(answer, Mask):
            record["predictions"]["mask_path"] = save_mask(answer, self.request.output_dir, Path(drawing_name(at, item.sample)).stem)
        if self.explainer:
            record |= self._explained(item, answer, truth, Path(drawing_name(at, item.sample)).stem)
        if self.measure:
            bad, record["metrics"] = self.measure.add(item.sample.name, answer, every, truth, (item.width, item.height))
            self._rank(bad, at, self._shown(at, _note(record["metrics"])))
        return record

    def _explained(self, item: Loaded, answer: Answer, truth: Truth, stem: str) -> dict[str, Any]:
        """What a record says of its explanations; one that fails does not take the predictions of a job with it."""
        assert self.explainer
        try:
            found = self.explainer.explain(item, answer, truth, stem)
        except (JobError, MemoryError, OSError):  # the last of a full disk: pictures that are missing are no success
            raise
        except Exception as error:
            if "OutOfMemory" in type(error).__name__:
                raise
            self.unexplained.append(f"{item.sample.name} cannot be explained: {type(error).__name__}: {error}")
            print(f"[trainer] warning: {self.unexplained[-1]}", file=sys.stderr, flush=True)
            return {"xai": [], "xai_error": self.unexplained[-1]}
        return {"xai": found}

    def _shown(self, at: int, note: str = "") -> dict[str, Any]:
        """What the report shows of an image."""
        return {"name": self.samples[at].name, "drawing": f"visualizations/{drawing_name(at, self.samples[at])}" if self.request.visualize else None, "note": note}

    def _first(self, parts: Parts) -> list[dict[str, Any]]:
        """The first images of an inference job, those of an earlier life too; the drawings of one on another machine are not here."""
        usable = (self._shown(at) for at, record in enumerate(parts.records()) if record["error"] is None)
        return [entry if entry["drawing"] and (self.request.output_dir / entry["drawing"]).is_file() else {**entry, "drawing": None} for entry in itertools.islice(usable, WORST)]

    def _broken(self, item: Loaded) -> dict[str, Any]:
        print(f"[trainer] warning: {item.error}", file=sys.stderr, flush=True)
        return {**self._image(item.sample), "width": 0, "height": 0, "predictions": None, "ground_truth": None, "inference_time_ms": None, "error": item.error}

    def _image(self, sample: Sample) -> dict[str, Any]:
        return {"image_path": sample.name, "image_id": sample.id}

    def _rank(self, bad: float, at: int, shown: dict[str, Any]) -> None:
        heapq.heappush(self.worst, (bad, -at, shown))
        if len(self.worst) > WORST:
            heapq.heappop(self.worst)

    def _settings(self) -> dict[str, Any]:
        return {"batch_size": self.request.batch_size, "visualizations": self.request.visualize, "checkpoint": self.request.checkpoint.name, "xai_method": self.explainer and self.explainer.asked.method, **self.predictor.settings}

    def _finish(self, parts: Parts) -> None:
        failed = Failed()
        for record in parts.records():
            failed.look(record)
        if failed.count == len(self.samples):
            raise JobError(f"none of the {failed.count} images could be used; the first: {failed.named[0]['error']}")
        if self.unexplained and not any(record.get("xai") for record in parts.records()):  # of an earlier life too
            raise JobError(f"nothing could be explained: {self.unexplained[0]}")
        measured = self._measured() if self.measure else None
        self._write(parts, measured, failed)
        if failed.count:
            without = ", and the metrics are without them" if measured else ""
            self.platform.event("images_failed", f"{failed.count} of {len(self.samples)} images could not be used{without}; the first: {failed.named[0]['error']}", {"count": failed.count, "images": failed.named})
        drawn = self.request.output_dir / "visualizations"
        paths = {"results_path": "results.json", "visualizations_path": "visualizations/" if drawn.is_dir() else None, "xai_results_path": "xai/" if self.explainer else None}
        if measured:
            self.platform.test_run_done({**paths, **measured.callback()})
        else:
            self.platform.inference_done(paths)
        shutil.rmtree(parts.folder)

    def _measured(self) -> Measured:
        assert self.measure
        found = self.measure.result()
        return replace(found, per_class_metrics=self.classes.numbered(found.per_class_metrics))

    def _write(self, parts: Parts, measured: Measured | None, failed: Failed) -> None:
        out = self.request.output_dir
        head: dict[str, Any] = {
            "job_id": self.job.id, "inference_type": "test_run" if measured else "inference_job", "task_type": self.task,
            "num_images": len(self.samples), "num_failed": failed.count, "failed": failed.named, "generated_at": now(), "settings": self._settings(),
            "timing": {"images": self.timing.images, **self.timing.means()}, "classes": self.classes.table(),
        }
        if measured:
            head |= {"split": self.request.split, **measured.callback(), **measured.more}
        write_results(out / "results.json", head, parts.records())
        write_csv(out / "results.csv", parts.records())
        write_objects(out, self.classes, parts)
        shown = [entry for _, _, entry in sorted(self.worst, key=lambda e: (-e[0], -e[1]))] if measured else self._first(parts)
        write_sheet(out, [entry["drawing"] for entry in shown if entry["drawing"]])
        facts = {"job": self.job.id, "task": self.task, "images": len(self.samples), "images with an error": failed.count, **self._settings(), **self.timing.means()}
        write_report(out / "report.html", f"{'Test run' if measured else 'Inference job'} {self.job.id}", facts, measured, self.predictor.names, shown, failed.named)


def write_objects(out: Path, classes: Classes, parts: Parts) -> None:
    first = next((r for r in parts.records() if r["predictions"] is not None), None)
    if first is not None and "boxes" in first["predictions"]:
        write_coco(out, classes, parts.records(), parts.records())


def save_mask(mask: Mask, out: Path, stem: str) -> str:
    """A grey PNG of the image's size whose values are class indices: of 8 bits, or of 16 where there are more."""
    name = f"masks/{stem}.png"
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.classes.astype(np.uint8 if mask.classes.max(initial=0) < 256 else np.uint16)).save(out / name)
    return name


def class_ids(job: Job, names: Sequence[str]) -> list[Any]:
    """The platform's ids of the classes, where the dataset tells them; else their indices."""
    classes = job.classes()
    if classes and [c.name for c in classes] == list(names[: len(classes)]) and all(c.id is not None for c in classes):
        return [c.id for c in classes] + [None] * (len(names) - len(classes))  # a background has none
    return list(range(len(names)))


def _note(metrics: dict[str, Any]) -> str:
    if "correct" in metrics:
        return "right" if metrics["correct"] else "wrong"
    if "pixel_accuracy" in metrics:
        return f"{metrics['pixel_accuracy']:.1%} of the pixels are right"
    kinds = [kind for kind in metrics["errors"] if kind]
    if metrics["missed"]:
        kinds.append(f"{len(metrics['missed'])} missed")
    return ", ".join(kinds) or "right"

