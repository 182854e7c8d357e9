"""fastai.

    from trainer_sdk.integrations.fastai import PlatformCallback
    learn = Learner(dls, model, cbs=[PlatformCallback()], ...)
"""

from __future__ import annotations

from fastai.callback.core import Callback, CancelFitException
from fastai.learner import Recorder

from ..callbacks import Platform
from ..metrics import is_first_process, report
from ..process import current


class PlatformCallback(Callback):  # type: ignore[misc]
    """Reports what the Recorder wrote of every epoch."""

    order = Recorder.order + 10  # after the Recorder

    def __init__(self, platform: Platform | None = None) -> None:
        super().__init__()
        self.platform = platform or current()

    def after_epoch(self) -> None:
        if is_first_process():
            values = dict(zip(self.recorder.metric_names, self.recorder.log, strict=False))
            report(self.platform, self.epoch + 1, {name: value for name, value in values.items() if name not in ("epoch", "time")})

    def after_batch(self) -> None:
        if self.platform.stop_requested:
            raise CancelFitException
