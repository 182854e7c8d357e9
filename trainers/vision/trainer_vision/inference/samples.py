"""The images of a job: where they lie, what the platform calls them, and what is labelled."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer_sdk import Job, JobError
from trainer_sdk.inference import InferenceRequest, images_below

from .predictor import Predictor

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Sample:
    """One image."""

    path: Path
    name: str  # the s3 URI as it came, else the path in the dataset
    id: Any = None  # the platform's, where the dataset has one
    label: int | None = None  # class index of a labelled image of a classifier
    error: str | None = None  # why it could not be brought here


def given(request: InferenceRequest, job: Job) -> list[Sample]:
    """The images of an inference job."""
    ids = platform_ids(job)
    base = job.dataset_dir if job.dataset_dir != Path() else None
    samples = []
    for image in request.images:
        listed = image.uri or image.name
        inside = base is not None and listed is None and image.path.is_relative_to(base)
        name = listed or text(image.path.relative_to(base) if inside and base else image.path)
        samples.append(Sample(image.path, name, ids.get(plain(name)) if inside else image.id, None, image.error))
    return samples


def text(path: Path) -> str:
    """A path as it can be written into a file: names on disk need not be UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def labelled(job: Job, split: str, variable: str = "TEST_SPLIT", names: Sequence[str] = ()) -> list[Sample]:
    """The images of a prepared split, or of all: images/val/… of YOLO and COCO, or val/CLASS/… with the class as the folder. `variable` is where a user chose them.

    `names` are the checkpoint's classes: a folder's label is the place of its name among them.
    """
    splits = SPLITS if split == "all" else (split,)
    ids, renamed = platform_ids(job), _renamed(job)
    folders = by_folder(job)
    index = {c.folder or c.name: names.index(c.name) if names else c.index for c in job.classes()}
    found: list[Sample] = []
    base = job.dataset_dir if folders else job.dataset_dir / "images"
    for part in splits:
        root = base / part
        for path in images_below(root):
            relative = path.relative_to(root).as_posix()
            label = None
            if folders:
                folder = path.parent.name
                if folder not in index:
                    raise JobError(f"{path.parent} is no folder of a class: classes.json names {sorted(index)}")
                label = index[folder]
            name = renamed.get(f"{part}/{relative}") or renamed.get(relative) or (path.name if folders else relative)
            found.append(Sample(path, name, ids.get(plain(name)), label))
    if not found:
        there = [part for part in SPLITS if images_below(base / part)]
        raise JobError(f"{variable}: the split {split!r} has no image; the dataset has {' and '.join(there) or 'none at all'}")
    return found


def plain(name: str) -> str:
    """A file name as the ids are looked up by: without images/ in front."""
    return name.removeprefix("./").removeprefix("images/")


def platform_ids(job: Job) -> dict[str, Any]:
    """{file name: id} of the dataset's annotations; also by the bare name where only one image has it."""
    path = job.annotations_path
    if path is None or not path.is_file() or path.suffix != ".json":
        return {}
    try:
        images = json.loads(path.read_text(encoding="utf-8")).get("images", [])
        pairs = [(plain(str(image["file_name"])), image.get("id")) for image in images]
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}  # a layout without ids
    ids: dict[str, Any] = {}
    bare: dict[str, list[Any]] = {}
    for name, value in pairs:
        ids[name] = value
        bare.setdefault(name.rsplit("/", 1)[-1], []).append(value)
    return {**{name: values[0] for name, values in bare.items() if len(values) == 1}, **ids}


def _renamed(job: Job) -> dict[str, str]:
    """{path in the prepared dataset: the file's own name}, where the agent had to give another."""
    path = job.dataset_dir / "renamed.json"
    return {str(k): plain(str(v)) for k, v in json.loads(path.read_text(encoding="utf-8")).items()} if path.is_file() else {}


def task_of(predictor: Predictor, job: Job, checkpoint: Path) -> str:
    """The checkpoint's own task, which must be the job's where somebody named that."""
    task = predictor.task or job.task
    if "TASK_TYPE" in os.environ and task != job.task:
        raise JobError(f"the checkpoint {checkpoint.name} is one for {task}, the job's TASK_TYPE is {job.task}")
    return task


def by_folder(job: Job) -> bool:
    """Whether the folder of an image names its class."""
    return not (job.dataset_dir / "images").is_dir()


def check_names(job: Job, names: Sequence[str], variable: str = "DATASET_ID") -> None:
    """The dataset's classes must be the checkpoint's, in their order: else every metric would be of something else.

    Of folders the names say which class is meant, so that some may be missing and the order is of no matter.
    """
    classes = [c.name for c in job.classes()]
    same = set(classes) <= set(names) if by_folder(job) else classes == list(names)
    if classes and not same:
        raise JobError(f"{variable}: the checkpoint knows the classes {list(names)}, the dataset has {classes}")
