"""What predict.py of every trainer is asked for, and how it tells its progress. Standard library only.

A test run has a labelled split and ends with metrics; an inference job has images and ends with
predictions. Both come from the environment, or from --checkpoint, --image and --output.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .callbacks import Platform
from .job import Job, JobError, long_value

PROGRESS_EVERY = 10  # images
PROGRESS_SECONDS = 5.0
# Of every format that a dataset may have: an image that the trainer cannot read is a record with its error, never left out.
SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif",
    ".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".dib", ".dng", ".pfm", ".ppm", ".pgm", ".svg",
}


@dataclass(frozen=True)
class InputImage:
    """One image of an inference job."""

    path: Path
    uri: str | None = None  # as IMAGE_PATHS has it
    name: str | None = None  # as the dataset has it
    id: Any = None  # the platform's
    error: str | None = None  # why it is not there


@dataclass(frozen=True)
class InferenceRequest:
    """One test run or inference job. What is None was set by nobody: the checkpoint's own holds."""

    checkpoint: Path
    images: tuple[InputImage, ...]
    output_dir: Path
    labelled: bool  # a test run
    split: str  # train, val, test or all
    batch_size: int
    image_size: int | None
    confidence: float | None
    iou: float | None
    visualize: bool

    @classmethod
    def load(cls, job: Job, argv: Sequence[str], env: Mapping[str, str] | None = None) -> InferenceRequest:
        env = {k: v for k, v in (os.environ if env is None else env).items() if v != ""}
        flags = _flags(argv)
        checkpoint = flags.checkpoint or env.get("CHECKPOINT_FILE")
        if not checkpoint or not Path(checkpoint).exists():
            raise JobError(f"CHECKPOINT_FILE {checkpoint or '(unset)'} does not exist; the agent sets it, or pass --checkpoint")
        labelled = env.get("INFERENCE_TYPE") == "test_run" and not flags.image
        return cls(
            checkpoint=Path(checkpoint), images=() if labelled else tuple(_images(job, flags.image, env)),
            output_dir=Path(flags.output or job.output_dir).absolute(), labelled=labelled, split=env.get("TEST_SPLIT", "val"),
            batch_size=_number(env, "BATCH_SIZE", int) or 16, image_size=_number(env, "IMAGE_SIZE", int),
            confidence=_number(env, "CONFIDENCE_THRESHOLD", float), iou=_number(env, "IOU_THRESHOLD", float),
            visualize=env.get("SAVE_VISUALIZATIONS", "true").lower() in {"true", "1", "yes"},
        )


def _number(env: Mapping[str, str], name: str, convert: type) -> Any:
    try:
        return convert(env[name]) if name in env else None
    except ValueError:
        raise JobError(f"{name} is {env[name]!r}, which is not a valid {convert.__name__}") from None


def _flags(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The request comes from the environment; these arguments win over it.")
    parser.add_argument("--checkpoint")
    parser.add_argument("--image", help="an image, or a folder of them")
    parser.add_argument("--output", help="folder for results.json and visualizations/")
    parser.add_argument("--log-level", help="accepted, as the platform's job template gives it")
    return parser.parse_args(list(argv))


def _images(job: Job, image: str | None, env: Mapping[str, str]) -> list[InputImage]:
    where = ""
    if image:
        where = f" in {image}"
        found = [InputImage(p) for p in (images_below(Path(image)) if Path(image).is_dir() else [Path(image)])]
    elif "INPUTS_FILE" in env:  # written by the agent: one line an address of IMAGE_PATHS, or an image of the dataset
        with open(env["INPUTS_FILE"], encoding="utf-8") as lines:  # splitlines would break a name at U+0085
            found = [InputImage(Path(e["file"]), e.get("uri"), e.get("name"), e.get("id"), e.get("error")) for e in map(json.loads, lines)]
    elif listed := long_value(env, "IMAGE_FILES", ""):
        found = [InputImage(Path(p)) for p in json.loads(listed)]
    else:
        where = f" in {job.dataset_dir}" if job.dataset_dir != Path() else ""
        found = [InputImage(p) for p in images_below(job.dataset_dir)]
    if not found:
        raise JobError(f"there is no image{where}: IMAGE_PATHS, a DATASET_ID or --image has to name some")
    return [i if i.error or i.path.is_file() else replace(i, error=f"{i.uri or i.name or i.path} does not exist") for i in found]


def images_below(folder: Path) -> list[Path]:
    """Every image below a folder, in order of its path; hidden files and folders are left out."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def final_callback() -> str:
    """The callback that ends this process's job, for `trainer_sdk.run`."""
    return "test_run_done" if os.environ.get("INFERENCE_TYPE") == "test_run" else "inference_done"


class Progress:
    """Counts images and tells the platform every ten, every five seconds, and at the end."""

    def __init__(self, platform: Platform, total: int, done: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.platform, self.total, self.done, self.clock = platform, total, done, clock
        self.started = self.told = clock()
        self.before = done

    def advance(self, images: int, average_ms: float | None = None) -> None:
        """Count images; average_ms is the model's own time for one, without it the time that passed."""
        before, self.done = self.done, self.done + images
        late = self.clock() - self.told >= PROGRESS_SECONDS
        if late or self.done // PROGRESS_EVERY > before // PROGRESS_EVERY or self.done == self.total:
            self.told = self.clock()
            passed = 1000 * (self.told - self.started) / max(self.done - self.before, 1)
            self.platform.inference_progress(self.done, self.total, round(passed if average_ms is None else average_ms, 3))
            print(f"[trainer] {self.done} of {self.total} images", flush=True)
