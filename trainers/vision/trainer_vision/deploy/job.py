"""An export job from its request to its package: what export.py of the trainers runs. Needs torch."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from trainer_sdk import PRIMARY_METRICS, Job, JobError, Platform, run, write_json
from trainer_sdk.export import ExportRequest
from trainer_sdk.package import digest

from ..inference import Predictor
from ..inference.samples import task_of
from ..weight_files import damaged
from . import calibrate, evaluate, exported, golden, matrix, metadata, package, parity, timing
from .formats import Converter, Precision, Run
from .formats.choice import converter
from .graph import refusal
from .output import REPORT, clear, hand, part, size_of
from .program import Program, program
from .reader import Reader
from .stopping import Stopped, at_once
from .subject import OBB, OBJECTS, SEMANTIC, Subject, broken

PARTS = 5  # of a validation, of each of which is told


def export(subject_of: Callable[[Job, ExportRequest], Subject]) -> None:
    """The main program of a trainer's export.py."""

    def main(job: Job, platform: Platform) -> None:
        request = ExportRequest.load(job, sys.argv[1:], list(matrix.formats()))
        matrix.check(request.format, request.quantization, request.dtype, job.task, job.device)
        platform.export_progress(5, "downloading", f"The checkpoint is here: {request.checkpoint.name}")
        if record := damaged(request.checkpoint):
            raise JobError(f"the checkpoint {request.checkpoint.name} is damaged: {record} in it is not what was saved. Upload it again, or export another one")
        subject = subject_of(job, request)
        if reason := broken(subject.model) or refusal(subject.head, request.postprocessing):
            raise JobError(reason)
        job = replace(job, task=task_of(subject.predictor, job, request.checkpoint))
        if subject.head == OBB and request.validate:
            raise JobError("ENABLE_VALIDATION: rotated boxes are exported as the model answers them, which the evaluator does not read: set it to false")
        if request.validate:
            evaluate.check(job, subject.predictor)
        request.output_dir.mkdir(parents=True, exist_ok=True)
        clear(request.output_dir)
        with tempfile.TemporaryDirectory(prefix="export-") as work:
            Export(job, platform, request, subject, Path(work)).all()

    run(at_once(main), argv=[], fail="export_done")


@dataclass(frozen=True)
class Made:
    """One file that was written, opened again and compared."""

    precision: Precision
    metadata: dict[str, Any]
    run: Run
    parity: parity.Parity
    answers: Sequence[Any]  # to the images of the comparison
    validation: evaluate.Validation | None = None


class Export:
    """A job under way."""

    def __init__(self, job: Job, platform: Platform, request: ExportRequest, subject: Subject, work: Path) -> None:
        self.job, self.platform, self.request, self.subject, self.work = job, platform, request, subject, work
        self.pictures = golden.images(job, max(subject.preprocess.height, subject.preprocess.width))
        self.original: tuple[float, int] | None = None
        self.finds = subject.head in (*OBJECTS, OBB, SEMANTIC)
        self.percent = 0.0

    def all(self) -> None:
        self.tell(10, "converting", f"Converting to {self.request.format}")
        self.answers = parity.answers(self.subject.predictor, self.pictures)
        folder = self.work / "package"
        folder.mkdir()
        try:
            made = self.best(folder)
        except JobError:
            if self.request.format == "tensorrt":  # what can be built elsewhere is left all the same
                self.beside(self.request.output_dir)
            raise
        if self.finds and (note := made.parity.note()):
            shows = "several" if self.subject.head == SEMANTIC else "some, or a lower CONFIDENCE_THRESHOLD"
            self.say("export_unproven", f"{note[0].upper()}{note[1:]}. Set VALIDATION_DATASET_ID to a dataset that shows {shows}")
        shown = self.shown(made)
        if self.request.format != "onnx":
            self.beside(folder)
        self.tell(90, "packaging", "Writing metadata, wrappers and the package")
        golden.write(folder / "golden", self.pictures[shown], self.answers[shown], made.answers[shown])
        described = self.finished(made, folder, shown)
        write_json(folder / "metadata.json", described)
        package.complete(folder)
        try:
            self.hand_over(folder, described, made)
        except BaseException:  # a full disk, or a signal: a part of it is of no use
            clear(self.request.output_dir)
            raise

    def shown(self, made: Made) -> int:
        """The image of the package's selftest. A quantised file that is nowhere near the original has none, and is refused."""
        found = golden.shown(self.pictures, self.answers, made.answers)
        if made.precision.kind == "none":
            return found or 0
        if found is None or golden.distance(self.pictures[found], self.answers[found], made.answers[found]) > 1:
            raise JobError(f"the {made.precision.word} model is far from the original on each of {len(self.pictures)} images, so that no selftest could tell it from a broken one. Set another QUANTIZATION_TYPE or QUANTIZATION_DTYPE")
        return found

    def best(self, folder: Path) -> Made:
        """The file in the precision that was asked for; of a quantised one that loses too much, more and more stays float."""
        target = folder / self.request.target.name
        worker = self.converter(self.request.format)
        asked = Precision(self.request.quantization, self.request.dtype if self.request.quantization != "none" else "float32")
        if asked.kind == "static":
            self.tell(30, "optimizing", f"Calibrating on at most {calibrate.IMAGES} images of the training split")
            asked = replace(asked, calibration=calibrate.inputs(self.job, Reader(self.described(worker, [], Precision()))))
        if asked.dtype == "int8":
            asked = asked.keeping(worker[0].unfit(asked))
        made = self.made(worker, target, asked)
        layers = worker[0].layers() if asked.dtype in ("int8", "int16") else []
        for kept in calibrate.raised(layers, [f"model.{name}" for name in self.subject.sensitive]):
            if made.validation is None or made.validation.passes(self.request.accuracy_drop_max):
                break
            self.tell(40, "optimizing", f"The accuracy drops by {made.validation.drop:.4f}: {len(kept)} layers stay float")
            made = self.made(worker, target, asked.keeping(calibrate.outermost([*asked.keep, *kept])))
        if made.validation is None and asked.dtype in ("int8", "int16"):
            self.say("export_unmeasured", f"How much accuracy the {asked.word} model loses is not measured, and ACCURACY_DROP_MAX does nothing: both need ENABLE_VALIDATION=true")
        self.compare_candidates(made, worker[1])
        self.judge(made)
        return made

    def compare_candidates(self, made: Made, graph: Program) -> None:
        """Where no object is found, a second file without suppression shows at least that the network and its boxes are the same."""
        how = self.subject.objects
        if self.subject.head not in OBJECTS or made.parity.objects or how is None or how.end_to_end:  # the boxes of an end-to-end head have no fixed places
            return
        head, call = made.metadata, made.run
        if graph.graph.post is not None:
            self.tell(48, "validating", "No object is found: comparing boxes below the threshold")
            folder = self.work / f"candidates-{self.request.format}"
            folder.mkdir()
            worker = self.converter(self.request.format, folder, post=False)
            graph = worker[1]
            head, call = self.written(worker, folder / self.request.target.name, made.precision)
        for truth, found in self.raw(graph, Reader(head), call):
            parity.candidates(made.parity, truth, found, len(self.subject.names), how.keypoints)

    def converter(self, name: str, work: Path | None = None, post: bool = True) -> tuple[Converter, Program]:
        able = matrix.formats()[name]
        how = {"whole": self.request.preprocessing and able["resizes"], "pixels": self.request.preprocessing and not able["resizes"], "post": self.request.postprocessing and post}
        made = program(self.subject, **how, batch=not self.request.preprocessing and able["free_batch"], dtype=able["image"])
        return converter(name, made, work or self.work, self.request.optimization_level, partial(self.say, "export_toolbox")), made

    def tell(self, percent: float, stage: str, message: str) -> None:
        """Never less than before: a quantised file may be made several times."""
        if self.platform.stop_requested:  # a library took the signal's exception for one of its own
            raise Stopped
        self.percent = max(self.percent, percent)
        print(f"[trainer] {message}", file=sys.stderr, flush=True)
        self.platform.export_progress(self.percent, stage, message)

    def say(self, event: str, text: str) -> None:
        print(f"[trainer] {text}", file=sys.stderr, flush=True)
        self.platform.event(event, text)

    def made(self, worker: tuple[Converter, Program], target: Path, precision: Precision) -> Made:
        """Write, open, compare, and measure where it was asked for."""
        head, call = self.written(worker, target, precision)
        self.tell(45, "validating", "Comparing with the original")
        if self.subject.head == OBB:
            return Made(precision, head, call, self.rotated(worker[1], Reader(head), call, self.tolerance(precision).score), self.answers)
        model = exported.predictor(head, call, self.subject.predictor.truth)
        side = max(self.subject.preprocess.height, self.subject.preprocess.width)
        threshold = self.subject.objects.confidence if self.subject.objects else 0.0
        answers = parity.answers(model, self.pictures)
        found = parity.compare(self.answers, answers, self.pictures, side, threshold, self.tolerance(precision).score)
        return Made(precision, head, call, found, answers, self.validated(model) if self.request.validate else None)

    def rotated(self, graph: Program, reader: Reader, call: Run, edge: float) -> parity.Parity:
        """Rotated boxes leave the file as the model answers them: they are compared with the model's answer, not with the predictor's."""
        found, how = parity.Parity(), self.subject.objects
        assert how is not None
        for ours, theirs in self.raw(graph, reader, call):
            if how.end_to_end:
                parity.rows(found, ours, theirs, how.confidence, edge)
            else:
                parity.raw(found, ours, theirs, len(self.subject.names), how.confidence, edge)
        return found

    def raw(self, graph: Program, reader: Reader, call: Run) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The answers to each picture of the graph in PyTorch and of its file, as the model gives them."""
        for picture in self.pictures:
            given = reader.prepare(picture)
            with torch.inference_mode():
                truth = graph.graph(torch.from_numpy(given))[0].numpy()
            found = np.asarray(call(given)[0])
            yield truth.reshape(truth.shape[-2:]), found.reshape(found.shape[-2:])

    def written(self, worker: tuple[Converter, Program], target: Path, precision: Precision) -> tuple[dict[str, Any], Run]:
        """The file with its metadata in it. What its outputs are is asked of the file itself; a format may have other numbers than the graph."""
        convert, graph = worker
        try:
            said = metadata.outputs(graph, graph.answer())
            for _ in range(2):
                head = self.described(worker, said, precision)
                convert.write(target, metadata.text(head), precision)
                call = convert.load(target)
                found = metadata.outputs(graph, call(Reader(head).prepare(self.pictures[0])))
                if found == said:
                    return head, call
                said = found
        except JobError:
            raise
        except Exception as error:
            raise JobError(f"the export to {self.request.format} failed: {type(error).__name__}: {first_lines(str(error))}") from error
        raise JobError(f"the export to {self.request.format} failed: the file answers another shape each time")

    def described(self, worker: tuple[Converter, Program], outputs: Sequence[Any], precision: Precision) -> dict[str, Any]:
        return metadata.describe(self.job, self.request, self.subject, worker[1], outputs, worker[0].versions(), precision.word)

    def tolerance(self, precision: Precision) -> parity.Tolerance:
        return parity.EXACT if precision.kind == "none" else parity.HALF

    def judge(self, made: Made) -> None:
        """A float file says what the trainer says; a quantised one is judged by its metric, and must still find what there is."""
        if made.validation and not made.validation.passes(self.request.accuracy_drop_max):
            self.fail(made.validation)
        found = made.parity
        if made.precision.kind == "none" or made.precision.dtype == "float16":
            fault = found.fault(self.tolerance(made.precision))
        elif found.unmatched > found.objects and not made.validation:
            fault = f"{found.unmatched} objects are found by one of the two only, {found.objects} by both"
        else:
            fault = found.nonsense()
        if fault:
            raise JobError(f"the exported model does not say what the original says on {found.images} images: {fault}" + ("" if made.precision.kind == "none" else "; set another QUANTIZATION_TYPE or QUANTIZATION_DTYPE"))

    def fail(self, validation: evaluate.Validation) -> None:
        """The report goes up, the model does not."""
        numbers = validation.describe(self.request.accuracy_drop_max)
        write_json(self.request.output_dir / REPORT, {**numbers, "metric": validation.metric, "images": validation.images, "accuracy_drop_max": self.request.accuracy_drop_max})
        message = (
            f"the exported model's {validation.metric} is {validation.exported:.4f}, the original's {validation.original:.4f}: it drops by {validation.drop:.4f}, "
            f"more than ACCURACY_DROP_MAX {self.request.accuracy_drop_max}. Set a larger one, or QUANTIZATION_TYPE=none"
        )
        self.platform.export_done({"validation_metrics": numbers}, error=message)
        raise JobError(message)

    def validated(self, model: Predictor) -> evaluate.Validation:
        if self.original is None:
            self.original = self.measured(self.subject.predictor, 50, "Measuring the original")
        metric = PRIMARY_METRICS.get(self.job.task, "accuracy")
        return evaluate.compare(metric, self.original, self.measured(model, 65, "Measuring the exported model"))

    def measured(self, model: Predictor, percent: float, what: str) -> tuple[float, int]:
        def advance(done: int, images: int) -> None:
            if done % max(1, images // PARTS) == 0:
                self.tell(percent + 15 * done / images, "validating", f"{what}: {done} of {images} images")

        return evaluate.measured(self.job, model, self.subject.predictor, advance)

    def finished(self, made: Made, folder: Path, shown: int) -> dict[str, Any]:
        """metadata.json: what the file says of itself, and what is known now."""
        file = folder / self.request.target.name
        call = made.run
        took = None if self.request.format in timing.INTERPRETED else timing.times(call, Reader(made.metadata).prepare(self.pictures[shown]))
        head = made.metadata
        return {
            **head, "model": {**head["model"], "sha256": digest(file), "size_bytes": size_of(file), "float_parts": list(made.precision.keep)},
            "thresholds": {"confidence": head["postprocess"]["conf_threshold"], "iou": head["postprocess"]["iou_threshold"], "accuracy_drop_max": self.request.accuracy_drop_max},
            "parity": made.parity.describe(self.finds), "timing": took,
            "validation": made.validation and {**made.validation.describe(self.request.accuracy_drop_max), "metric": made.validation.metric, "images": made.validation.images},
            "provenance": {**head["provenance"], "verified_by": [f"{head['runtime']['engine']}{' (its program, interpreted)' if took is None else ''} on {made.parity.images} images"]},
        }

    def beside(self, folder: Path) -> None:
        """model.onnx, which other runtimes and other machines can read."""
        self.tell(82, "converting", "Converting to onnx, to lie beside it")
        request = replace(self.request, format="onnx", quantization="none", validate=False)
        again = Export(self.job, self.platform, request, self.subject, self.work)
        again.answers, again.percent = self.answers, self.percent
        worker = again.converter("onnx")
        made = again.made(worker, folder / "model.onnx", Precision())
        again.compare_candidates(made, worker[1])
        again.judge(made)

    def hand_over(self, folder: Path, described: dict[str, Any], made: Made) -> None:
        out, file = self.request.output_dir, self.request.target
        self.tell(95, "uploading", "Handing over to the agent")
        packed, about = out / "package.zip", out / "metadata.json"
        package.pack(folder, part(packed))
        shutil.copyfile(folder / "metadata.json", part(about))
        shutil.move(folder / file.name, part(file))
        hand(packed, about, file)
        took = described["timing"] or {"median_ms": None, "p95_ms": None}
        info = {
            "model_size_mb": round(described["model"]["size_bytes"] / 2**20, 3), "inference_speed_ms": took["median_ms"], "inference_speed_p95_ms": took["p95_ms"],
            "input_shape": described["input"]["shape"], "output_shape": described["outputs"][0]["shape"],
        }
        numbers = made.validation and made.validation.describe(self.request.accuracy_drop_max)
        self.platform.export_done({"export_path": file.name, "metadata_path": "metadata.json", "package_path": "package.zip", "model_info": info, "validation_metrics": numbers})


def first_lines(text: str, most: int = 600) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines)[:most]


