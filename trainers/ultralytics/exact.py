"""A resume that equals the uninterrupted training.

Ultralytics keeps weights and optimizer in half precision, only the average of the weights, and no random numbers; its data
loader, its mosaic buffer and its accumulated gradients live on from one epoch to the next. Here every epoch starts from
its number alone, and last.pt and epoch-N.pt hold, under the key `exact`, what the next one needs in full precision.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ultralytics.utils import RANK
from ultralytics.utils.torch_utils import unwrap_model


class ExactEpochs:
    """Stands before one of Ultralytics' trainers in the method resolution order."""

    _in_epoch = False
    _nominal = 1  # batches for one update, as Ultralytics decides it
    _waiting = 0  # batches since the last update

    # Ultralytics' loop asks for `accumulate` to know whether an update is due. It is told so at every batch,
    # and optimizer_step decides: groups of batches never reach over the end of an epoch.

    @property
    def accumulate(self) -> int:
        return 1 if self._in_epoch else self._nominal

    @accumulate.setter
    def accumulate(self, batches: int) -> None:
        self._nominal = batches

    def start_epoch_afresh(self) -> None:
        """Called at the start of every epoch: all that is random follows from the seed and the epoch's number."""
        seed = (self.args.seed + 1 + self.epoch * max(self.world_size, 1) + max(RANK, 0)) % 2**32
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        if self.train_loader.generator is not None:
            self.train_loader.generator.manual_seed(seed)
        forget_buffered(self.train_loader.dataset)
        self.train_loader.reset()  # its workers start with this epoch's seed
        self._in_epoch, self._waiting, self._batch = True, 0, 0

    def end_epoch(self) -> None:
        self._in_epoch = False

    def optimizer_step(self) -> None:
        self._waiting += 1
        self._batch += 1
        if self._waiting < self._nominal and self._batch < len(self.train_loader):
            return
        self._waiting = 0
        super().optimizer_step()

    def _build_train_pipeline(self) -> None:
        self._in_epoch = False  # also called when memory ran out in the middle of one
        super()._build_train_pipeline()

    def _load_checkpoint_state(self, checkpoint: dict[str, Any]) -> None:
        super()._load_checkpoint_state(checkpoint)
        if exact := checkpoint.get("exact"):
            unwrap_model(self.model).load_state_dict(exact["model"])
            self.ema.ema.load_state_dict(exact["ema"])
            self.optimizer.load_state_dict(exact["optimizer"])

    def exact_state(self) -> dict[str, Any]:
        return {"model": unwrap_model(self.model).state_dict(), "ema": self.ema.ema.state_dict(), "optimizer": self.optimizer.state_dict()}


def forget_buffered(dataset: Any) -> None:
    """Empty the buffer of images that mosaic draws from; an image that stays in memory would never come into it again."""
    if isinstance(getattr(dataset, "buffer", None), list) and dataset.cache != "ram":
        for index in dataset.buffer:
            dataset.ims[index] = dataset.im_hw0[index] = dataset.im_hw[index] = None
        dataset.buffer = []


def rewrite(path: Path, target: Path, **changes: Any) -> None:
    """Write a checkpoint with some keys changed under the target's name; whoever watches sees the whole file or none."""
    state = torch.load(path, map_location="cpu", weights_only=False)
    partial = target.with_name(f".{target.name}.part")
    torch.save({**state, **changes}, partial)
    partial.replace(target)
