"""Keras, on any backend.

    from trainer_sdk.integrations.keras import PlatformCallback
    model.fit(x, y, callbacks=[PlatformCallback()], ...)
"""

from __future__ import annotations

from typing import Any

from keras.callbacks import Callback

from ..callbacks import Platform
from ..metrics import report
from ..process import current


class PlatformCallback(Callback):  # type: ignore[misc]
    """Reports the logs of every epoch."""

    def __init__(self, platform: Platform | None = None) -> None:
        super().__init__()
        self.platform = platform or current()
        self._cut = False  # stopped in the middle of an epoch, which is no completed one

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._cut:
            report(self.platform, epoch + 1, logs or {})

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.platform.stop_requested:
            self.model.stop_training = True
            self._cut = batch + 1 < (self.params.get("steps") or batch + 2)
