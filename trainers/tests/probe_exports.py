"""Exports one trained model in the cells of the matrix that are named, each as a job would; prints a line of JSON for each.

    probe_exports.py FOLDER "onnx static int8" "coreml none float32" …

FOLDER keeps the packages, one folder a cell. The trainer's folder is on PYTHONPATH, the job's settings are in the environment. An outcome
is `refused` (by the matrix), `failed` (with the job's reason) or `ok`, with parity, accuracies and what stayed float.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer_sdk import Job, JobError, Platform
from trainer_sdk.export import ExportRequest
from trainer_vision.deploy import evaluate, matrix
from trainer_vision.deploy.classifiers import subjects
from trainer_vision.deploy.job import Export
from trainer_vision.deploy.subject import Subject
from trainer_vision.inference.samples import task_of


def subject_of(framework: str) -> Callable[[Job, ExportRequest], Subject]:
    """What the trainer's export.py hands to the job."""
    if framework == "ultralytics":
        importlib.import_module("offline")
        return importlib.import_module("deploy").subject  # type: ignore[no-any-return]
    if framework == "huggingface":
        importlib.import_module("offline")
    return subjects(importlib.import_module("load").load, framework, importlib.import_module("positions").fix)


def outcome(cell: str, folder: Path, subject: Callable[[Job, ExportRequest], Subject]) -> dict[str, Any]:
    name, kind, dtype = cell.split()
    out = folder / cell.replace(" ", "-")
    out.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "EXPORT_FORMAT": name, "QUANTIZATION_TYPE": kind, "OUTPUT_DIR": str(out)}
    env |= {} if kind == "none" else {"QUANTIZATION_DTYPE": dtype}
    job = Job.load((), env)
    if reason := matrix.refusal(name, kind, dtype, job.task, job.device):
        return {"refused": reason}
    request = ExportRequest.load(job, [], list(matrix.formats()), env)
    platform = Platform(job, rank=1)
    try:
        one = subject(job, request)
        job = replace(job, task=task_of(one.predictor, job, request.checkpoint))
        evaluate.check(job, one.predictor)
        with tempfile.TemporaryDirectory() as work:
            Export(job, platform, request, one, Path(work)).all()
    except JobError as error:
        return {"failed": str(error)}
    about = json.loads((out / "metadata.json").read_text(encoding="utf-8"))
    return {"ok": about["parity"], "validation": about["validation"], "float_parts": about["model"]["float_parts"], "bytes": about["model"]["size_bytes"]}


def main(folder: Path, cells: list[str]) -> None:
    subject = subject_of(os.environ["FRAMEWORK"])
    for cell in cells:
        started = time.monotonic()
        with contextlib.redirect_stdout(sys.stderr):
            found = outcome(cell, folder, subject)
        print(json.dumps({"cell": cell, "seconds": round(time.monotonic() - started, 1), **found}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
