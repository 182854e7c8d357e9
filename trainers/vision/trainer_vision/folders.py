"""The prepared ImageFolder dataset as the classifiers read it. Needs torchvision and Pillow.

The class order is that of classes.json, asserted and never guessed; an unreadable image ends the
job instead of being left out; EXIF rotation is applied, as the platform shows images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch.utils.data import Dataset
from torchvision.datasets import ImageFolder
from trainer_sdk import ClassEntry, Job, JobError

from .choices import say
from .images import read_image

SPLITS = ("train", "val", "test")


class SplitImages(Dataset[tuple[Any, int, str]]):
    """One split: (transformed image, class index, path relative to the split) by index."""

    transform: Callable[[Image.Image], Any]

    def __init__(self, job: Job, split: str, transform: Callable[[Image.Image], Any] = lambda image: image) -> None:
        self.root = job.dataset_dir / split
        if not self.root.is_dir():
            raise JobError(f"the dataset has no folder {split}: {self.root}")
        folder = ImageFolder(str(self.root), allow_empty=True)
        self.classes = check_classes(folder.class_to_idx, job.classes(), split)
        self.samples = folder.samples
        self.transform = transform
        self._check_all_read(split)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int, str]:
        path, label = self.samples[index]
        return self.transform(read_image(Path(path))), label, str(Path(path).relative_to(self.root))

    def counts(self) -> list[int]:
        """The images of every class, by its index."""
        counts = [0] * len(self.classes)
        for _, label in self.samples:
            counts[label] += 1
        return counts

    def check_several_classes(self, split: str) -> None:
        """Labels that are all one class teach nothing: a mistake of the dataset, found before the first batch."""
        present = [c.name for c, count in zip(self.classes, self.counts(), strict=True) if count]
        if len(present) < 2:
            raise JobError(f"{split}: all {len(self)} images are of the class {present[0]!r}; a classifier needs images of two classes at least")

    def _check_all_read(self, split: str) -> None:
        on_disk = {p for p in self.root.rglob("*") if p.is_file() and not p.name.startswith(".")}
        if ignored := sorted(on_disk - {Path(p) for p, _ in self.samples}):
            raise JobError(f"{split}: {len(ignored)} of {len(on_disk)} files are no image that torchvision reads, first {ignored[0]}")
        if not self.samples:
            raise JobError(f"{split}: there is no image in {self.root}")
        say(f"[trainer] {split}: {len(self.samples)} images in {len(self.classes)} classes")


def check_classes(found: dict[str, int], classes: Sequence[ClassEntry], split: str) -> list[ClassEntry]:
    """The folders of a split must give the class order of classes.json; without that file they are the classes."""
    if not classes:
        return [ClassEntry(index, name, name) for name, index in found.items()]
    expected = {c.folder or c.name: c.index for c in classes}
    if found != expected:
        raise JobError(f"{split}: the folders give the class order {list(found)}, classes.json gives {list(expected)}")
    return list(classes)
