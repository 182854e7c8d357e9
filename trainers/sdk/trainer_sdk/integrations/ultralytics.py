"""Ultralytics' YOLO.

    from trainer_sdk.integrations.ultralytics import add_callbacks
    model = add_callbacks(YOLO("yolo11n.yaml"))
"""

from __future__ import annotations

from typing import Any

from ..callbacks import Platform
from ..metrics import is_first_process, report
from ..process import current


def add_callbacks(model: Any, platform: Platform | None = None) -> Any:
    """Report the model's trainings; returns the model."""
    platform = platform or current()
    training: dict[int, int] = {}  # the batches of the epoch under way; the best model is measured once more in the end

    def epoch_start(trainer: Any) -> None:
        training[trainer.epoch] = 0

    def epoch_end(trainer: Any) -> None:
        batches = training.pop(trainer.epoch, 0)
        if batches < len(trainer.train_loader) or not is_first_process():  # a cut epoch is no completed one
            return
        losses = trainer.label_loss_items(trainer.tloss, prefix="train") if trainer.tloss is not None else {}
        report(platform, trainer.epoch + 1, {**losses, **(trainer.metrics or {}), **trainer.lr})

    def batch_end(trainer: Any) -> None:
        training[trainer.epoch] += 1
        trainer.stop = trainer.stop or platform.stop_requested

    model.add_callback("on_train_epoch_start", epoch_start)
    model.add_callback("on_fit_epoch_end", epoch_end)
    model.add_callback("on_train_batch_end", batch_end)
    return model
