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

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        report(self.platform, epoch + 1, logs or {})

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.platform.stop_requested:
            self.model.stop_training = True
