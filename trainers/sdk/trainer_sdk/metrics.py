"""Metrics of a training as they come, for code that has no loop of `run`: callbacks of frameworks, and `log`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from .callbacks import Platform
from .process import current

KEPT_SECONDS = 10.0  # metrics without an epoch go out no more often


def report(platform: Platform, epoch: int, metrics: Mapping[str, Any]) -> bool:
    """Report a completed epoch; with the primary metric it is a validation too. Returns whether it is the best so far.

    Frameworks name the metrics of a validation in their own ways: `eval_accuracy`, `val_accuracy` and
    `metrics/mAP50-95(B)` are the primary metric when nothing bears its name.
    """
    numbers = {name: value for name, raw in metrics.items() if (value := _scalar(raw)) is not None}
    platform.heartbeat(epoch, numbers)
    primary = platform.job.primary_metric
    value = next((numbers[name] for name in _names(primary) if name in numbers), None)
    return value is not None and platform.validation(epoch, {**numbers, primary: value})


def _names(primary: str) -> list[str]:
    named = [primary, *(prefix + primary for prefix in ("eval_", "val_", "valid_", "eval/", "val/", "valid/", "metrics/")), f"metrics/{primary}(B)"]
    if primary == "accuracy":
        named += ["val_acc", "eval_acc", "val/acc", "metrics/accuracy_top1"]
    return named


def _scalar(raw: Any) -> float | None:
    """A number, also one in a tensor or an array of one element; None for anything else."""
    if isinstance(raw, str | bytes | bool):
        return None
    try:
        return float(raw)
    except (TypeError, ValueError, RuntimeError):
        return None


class _Log:
    """Metrics that wait for their epoch."""

    def __init__(self) -> None:
        self.epoch = 0  # the last one named
        self.kept: dict[str, Any] = {}
        self.sent = 0.0

    def add(self, platform: Platform, metrics: Mapping[str, Any], epoch: int | None) -> bool:
        named = metrics.get("epoch") if epoch is None else epoch
        self.kept |= {name: value for name, value in metrics.items() if name != "epoch"}
        if named is not None:
            self.epoch = int(named)
        elif time.monotonic() - self.sent < KEPT_SECONDS:
            return False
        kept, self.kept, self.sent = self.kept, {}, time.monotonic()
        if named is None:  # a step of the epoch under way
            platform.heartbeat(self.epoch, {name: value for name, raw in kept.items() if (value := _scalar(raw)) is not None})
            return False
        return report(platform, self.epoch, kept)


_log = _Log()


def log(metrics: Mapping[str, Any], epoch: int | None = None) -> bool:
    """Report metrics as they come, as with wandb.log; returns whether the epoch is the best so far.

    `epoch` (1-based; or the key "epoch" of the metrics) says that an epoch is completed. Without it the metrics
    are those of a step: the newest of each go out every ten seconds, and with the next epoch.
    """
    try:
        return _log.add(current(), metrics, epoch)
    except Exception as error:  # training is sacred
        print(f"[trainer] warning: cannot report metrics: {error}", file=sys.stderr, flush=True)
        return False


def is_first_process() -> bool:
    """Whether this process speaks for a training of several (torchrun's RANK)."""
    return (os.environ.get("RANK") or "0") == "0"
