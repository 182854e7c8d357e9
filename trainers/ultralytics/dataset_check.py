"""Proof that Ultralytics reads the prepared dataset as it was written.

Ultralytics drops what it cannot read and trains on the rest with exit code 0: a label that it does
not find makes a background, a bad row drops its image. Here every such case ends the job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from trainer_sdk import ClassEntry, JobError
from trainer_vision.choices import say
from trainer_vision.split_labels import check_labelled
from ultralytics.data.utils import img2label_paths

SMALLEST = 10  # pixels of a side, Ultralytics' own limit


def check_labels(dataset: Any, folder: str, split: str) -> None:
    """Compare the scan of a detection, segmentation or pose split with the files on disk."""
    on_disk = sorted(p for p in Path(folder).rglob("*") if p.is_file() and not p.name.startswith("."))
    labels = [Path(p) for p in img2label_paths([str(p) for p in on_disk])]
    if missing := [p for p in labels if not p.is_file()]:
        raise JobError(f"{split}: {len(missing)} of {len(labels)} images have no label file, first {missing[0]}; prepare the dataset again")
    read = {Path(f) for f in dataset.im_files}
    if dropped := [p for p in on_disk if p not in read]:
        raise JobError(f"{split}: Ultralytics dropped {len(dropped)} of {len(on_disk)} images as corrupt or unreadable, first {dropped[0]}{_too_small(dropped)}")
    expected = sum(p.stat().st_size > 0 for p in labels)
    found = sum(len(label["cls"]) > 0 for label in dataset.labels)
    if found != expected:
        raise JobError(f"{split}: {expected} images have labels on disk, but Ultralytics read objects in {found}")
    check_labelled(split, len(on_disk), found > 0)
    say(f"[trainer] {split}: {found} images, {len(on_disk) - found} backgrounds, 0 corrupt")


def check_folders(dataset: Any, folder: str, split: str, classes: Sequence[ClassEntry]) -> None:
    """Compare the class index and the images of a classification split with the folders on disk."""
    expected = {(c.folder or c.name): c.index for c in classes}
    if expected and dataset.base.class_to_idx != expected:
        raise JobError(f"{split}: folders give the class order {list(dataset.base.class_to_idx)}, classes.json gives {list(expected)}")
    on_disk = [p for p in Path(folder).rglob("*") if p.is_file() and not p.name.startswith(".")]
    read = {Path(sample[0]) for sample in dataset.samples}
    if dropped := [p for p in on_disk if p not in read]:
        raise JobError(f"{split}: Ultralytics dropped {len(dropped)} of {len(on_disk)} images as corrupt or unreadable, first {dropped[0]}{_too_small(dropped)}")
    present = {sample[1] for sample in dataset.samples}
    if split == "train" and len(present) == 1:
        name = next(c.name for c in classes if c.index in present) if classes else dataset.base.classes[present.pop()]
        raise JobError(f"train: all {len(on_disk)} images are of the class {name!r}; a classifier needs images of two classes at least")
    say(f"[trainer] {split}: {len(on_disk)} images in {len(expected)} classes, 0 corrupt")


def _too_small(paths: Sequence[Path]) -> str:
    """Which of them Ultralytics dropped for their size alone; no other trainer has that limit."""
    small = 0
    for path in paths:
        try:
            with Image.open(path) as image:
                small += min(image.size) < SMALLEST
        except OSError:
            continue
    return f"; {small} of them have a side of less than {SMALLEST} pixels, which Ultralytics refuses: leave them out or use another trainer" if small else ""


def check_names(names: Mapping[int, str], classes: Sequence[ClassEntry]) -> None:
    """The class order of data.yaml must be that of classes.json."""
    expected = {c.index: c.name for c in classes}
    if expected and dict(names) != expected:
        raise JobError(f"data.yaml names the classes {dict(names)}, classes.json {expected}")
