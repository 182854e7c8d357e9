"""What predict.py of every trainer does around the model: the request, progress, results.json. Standard library only.

A test run has a labelled split and ends with metrics; an inference job has images and ends with
predictions. Both come from the environment, or from --checkpoint, --image and --output.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .callbacks import Platform
from .job import Job, JobError
from .jsonfile import now, write_json

PROGRESS_EVERY = 10  # images
SUFFIXES = {".bmp", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True)
class InferenceRequest:
    """One test run or inference job."""

    checkpoint: Path
    images: tuple[Path, ...]
    output_dir: Path
    labelled: bool  # a test run
    split: str
    batch_size: int
    image_size: int | None  # None = what the model was trained with
    confidence: float
    iou: float
    visualize: bool

    @classmethod
    def load(cls, job: Job, argv: Sequence[str], env: Mapping[str, str] | None = None) -> InferenceRequest:
        env = {k: v for k, v in (os.environ if env is None else env).items() if v != ""}
        flags = _flags(argv)
        checkpoint = flags.checkpoint or env.get("CHECKPOINT_FILE")
        if not checkpoint or not Path(checkpoint).exists():
            raise JobError(f"CHECKPOINT_FILE {checkpoint or '(unset)'} does not exist; the agent sets it, or pass --checkpoint")
        labelled = env.get("INFERENCE_TYPE") == "test_run" and not flags.image
        split = env.get("TEST_SPLIT", "val")
        return cls(
            checkpoint=Path(checkpoint), images=() if labelled else tuple(_images(job, flags.image, env)),
            output_dir=Path(flags.output or job.output_dir).absolute(), labelled=labelled, split=split,
            batch_size=int(env.get("BATCH_SIZE", 16)), image_size=int(env["IMAGE_SIZE"]) if "IMAGE_SIZE" in env else None,
            confidence=float(env.get("CONFIDENCE_THRESHOLD", 0.25)), iou=float(env.get("IOU_THRESHOLD", 0.45)),
            visualize=env.get("SAVE_VISUALIZATIONS", "true").lower() in {"true", "1", "yes"},
        )


def _flags(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The request comes from the environment; these arguments win over it.")
    parser.add_argument("--checkpoint")
    parser.add_argument("--image", help="an image, or a folder of them")
    parser.add_argument("--output", help="folder for results.json and visualizations/")
    return parser.parse_args(list(argv))


def _images(job: Job, image: str | None, env: Mapping[str, str]) -> list[Path]:
    if image:
        found = images_below(Path(image)) if Path(image).is_dir() else [Path(image)]
    elif "IMAGE_FILES" in env:
        found = [Path(p) for p in json.loads(env["IMAGE_FILES"])]
    else:
        found = images_below(job.dataset_dir)
    if missing := [p for p in found if not p.is_file()]:
        raise JobError(f"{len(missing)} of {len(found)} images do not exist, first {missing[0]}")
    if not found:
        raise JobError("there is no image: set IMAGE_PATHS or DATASET_ID, or pass --image")
    return found


def images_below(folder: Path) -> list[Path]:
    """Every image below a folder, in order of its path; hidden files and folders are left out."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def final_callback() -> str:
    """The callback that ends this process's job, for `trainer_sdk.run`."""
    return "test_run_done" if os.environ.get("INFERENCE_TYPE") == "test_run" else "inference_done"


def warn_of_unsupported(platform: Platform) -> None:
    """Explanations are asked for by the job and not made by our trainers: say so, never skip them in silence."""
    asked = [name for name in ("ENABLE_XAI", "ENABLE_LLM_EXPLANATION") if os.environ.get(name, "").lower() in {"true", "1", "yes"}]
    if asked:
        platform.event("xai_unsupported", f"{' and '.join(asked)}: this trainer makes no explanations; the predictions follow without them", {"asked": asked})


class Progress:
    """Counts images and tells the platform every ten, and at the end."""

    def __init__(self, platform: Platform, total: int) -> None:
        self.platform, self.total, self.done = platform, total, 0
        self.started = time.monotonic()

    def advance(self, images: int) -> None:
        before, self.done = self.done, self.done + images
        if self.done // PROGRESS_EVERY > before // PROGRESS_EVERY or self.done == self.total:
            self.platform.inference_progress(self.done, self.total, round(1000 * (time.monotonic() - self.started) / self.done, 3))


def finish(job: Job, platform: Platform, request: InferenceRequest, results: Iterable[Mapping[str, Any]], metrics: Mapping[str, Any] | None = None) -> None:
    """Write results.json and end the job; metrics are the test run's fields of the final callback."""
    entries = list(results)
    write_json(request.output_dir / "results.json", {
        "job_id": job.id, "inference_type": "test_run" if request.labelled else "inference_job", "task_type": job.task,
        "num_images": len(entries), "generated_at": now(), "results": entries,
    })
    drawn = request.output_dir / "visualizations"
    paths = {"results_path": "results.json", "visualizations_path": "visualizations/" if drawn.is_dir() else None, "xai_results_path": None}
    if request.labelled:
        platform.test_run_done({**paths, **(metrics or {})})
    else:
        platform.inference_done(paths)
