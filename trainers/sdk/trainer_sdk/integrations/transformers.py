"""Hugging Face Trainer.

    from trainer_sdk.integrations.transformers import PlatformCallback
    trainer = Trainer(model, args, callbacks=[PlatformCallback()], ...)
"""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from ..callbacks import Platform
from ..metrics import report
from ..process import current


class PlatformCallback(TrainerCallback):  # type: ignore[misc]
    """Reports epochs, logs and evaluations; epochs count from 1, an evaluation amid an epoch belongs to the completed ones."""

    def __init__(self, platform: Platform | None = None) -> None:
        self.platform = platform or current()
        self._logs: dict[str, Any] = {}

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._report(state, self._logs)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        self._logs = {name: value for name, value in (logs or {}).items() if name != "epoch" and not name.startswith("eval_")}
        if self._logs:
            self._report(state, self._logs)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, Any] | None = None, **_: Any) -> None:
        self._report(state, {**self._logs, **(metrics or {})})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.platform.stop_requested:
            control.should_training_stop = control.should_save = True

    def _report(self, state: Any, metrics: dict[str, Any]) -> None:
        if state.is_world_process_zero:
            report(self.platform, int((state.epoch or 0) + 1e-6), {name: value for name, value in metrics.items() if name != "epoch"})
