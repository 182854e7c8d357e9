"""Lightning (lightning, or pytorch_lightning).

    from trainer_sdk.integrations.lightning import PlatformCallback
    trainer = Trainer(callbacks=[PlatformCallback()], ...)
"""

from __future__ import annotations

from typing import Any

from ..callbacks import Platform
from ..metrics import report
from ..process import current

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:
    from pytorch_lightning.callbacks import Callback


class PlatformCallback(Callback):  # type: ignore[misc]
    """Reports what the module logged, at the end of every epoch; a validation only for epochs that had one."""

    def __init__(self, platform: Platform | None = None) -> None:
        super().__init__()
        self.platform = platform or current()
        self._validated = False

    def on_validation_epoch_end(self, trainer: Any, module: Any) -> None:
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        metrics, validated, self._validated = dict(trainer.callback_metrics), self._validated, False
        if not trainer.is_global_zero:
            return
        if validated:
            report(self.platform, trainer.current_epoch + 1, metrics)
        else:
            self.platform.heartbeat(trainer.current_epoch + 1, {name: float(value) for name, value in metrics.items() if not name.startswith("val")})

    def on_train_batch_end(self, trainer: Any, *_: Any, **__: Any) -> None:
        if self.platform.stop_requested:
            trainer.should_stop = True
