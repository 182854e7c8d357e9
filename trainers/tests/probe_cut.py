"""Trains three times in one process: uncut; stopped in the middle of an epoch; and from what the stopped training left.

The folder of the trainer is on PYTHONPATH. Arguments: trainer, environment of the job as JSON, the number of the training image at
which the stop is asked for. Prints the metrics of every epoch of the first, and of the second and the third together, as JSON.
"""

import contextlib
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if sys.argv[1] == "huggingface":
    import offline  # noqa: F401  before the framework
    from detection import SplitBoxes
else:
    SplitBoxes = None
import torch
import train
from trainer_sdk import Job, Platform
from trainer_vision.folders import SplitImages
from trainer_vision.masks import SplitMasks

environment, cut_at = json.loads(sys.argv[2]), int(sys.argv[3])
NEVER = -1


class Stopping(Platform):
    """Keeps what is reported; asks for a stop when the training has read so many images."""

    def __init__(self, job: Job, images: int) -> None:
        super().__init__(job)
        self._silent = True
        self.left = images
        self.epochs: list[Mapping[str, Any]] = []

    def heartbeat(self, epoch: int, metrics: Mapping[str, Any], progress: float | None = None) -> None:
        self.epochs.append({"epoch": epoch, **metrics})

    def read(self, root: Path) -> None:
        self.left -= root.name == "train"
        self.stop_requested = self.stop_requested or self.left == 0


def watched(kind: Any) -> None:
    read = kind.__getitem__

    def told(split: Any, index: int) -> Any:
        listener.read(split.root)
        return read(split, index)

    kind.__getitem__ = told


def run(out: Path, images: int, **more: str) -> Stopping:
    global listener
    job = Job.load((), {**environment, "OUTPUT_DIR": str(out), **more})
    job.checkpoint_dir.mkdir(parents=True)
    listener = Stopping(job, images)
    train.main(job, listener)
    return listener


def newest(folder: Path) -> Path:
    return folder / "last.pt" if (folder / "last.pt").exists() else max(folder.iterdir(), key=lambda p: int(p.name.rsplit("-", 1)[1]))


for split_kind in filter(None, (SplitImages, SplitMasks, SplitBoxes)):
    watched(split_kind)
torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(sys.stderr):
    folder = Path(temporary)
    whole = run(folder / "whole", NEVER).epochs
    cut = run(folder / "cut", cut_at)
    assert cut.stop_requested and not cut.finished, "it was not stopped"
    rest = run(folder / "rest", NEVER, RESUME_CHECKPOINT=str(newest(folder / "cut/checkpoints")))
print(json.dumps([whole, [*cut.epochs, *rest.epochs], len(cut.epochs)]))
