"""The callback that ties transformers' Trainer to the platform: heartbeats, validations, a clean stop."""

from __future__ import annotations

import math
import time
from typing import Any, Protocol

from clip import ZeroShotCLIP
from trainer_sdk import Job, JobError, Platform
from trainer_vision.choices import say_resumed
from trainer_vision.divergence import check_weights
from trainer_vision.processes import agree
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Results(Protocol):
    """What a validation run found, of any task."""

    def images(self) -> list[dict[str, Any]]: ...

    def validation(self) -> dict[str, Any]: ...


class JobCallback(TrainerCallback):
    """Reports every epoch; a stop ends the epoch under way, and the checkpoint of the one before stays the newest."""

    def __init__(self, job: Job, platform: Platform, patience: int) -> None:
        self.job, self.platform, self.patience = job, platform, patience
        self.results: Results | None = None  # of the last evaluation
        self.history: list[dict[str, float]] = []
        self.epoch = 0  # epochs completed
        self.cut = False  # stopped in the middle of an epoch
        self.quiet = False  # an evaluation that is not an epoch's

    def restore(self, state: TrainerState) -> None:
        """Take over the history of the epochs before a resume."""
        self.epoch = int(state.epoch or 0)
        losses = {round(e["epoch"]): e for e in state.log_history if "loss" in e}
        for entry in (e for e in state.log_history if "eval_loss" in e):
            epoch = round(entry["epoch"])
            values = metrics_of(losses.get(epoch, {}), entry)
            self._check_measured(values)
            self.history.append({"epoch": epoch, **values})

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.job.resume_checkpoint and state.is_world_process_zero:
            say_resumed(self.job, self.epoch)

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._evaluation_started = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any) -> None:
        if isinstance(model, ZeroShotCLIP):
            model.clamp_scale()
        if agree(self.platform.stop_requested, args.device):
            # No checkpoint in the middle of an epoch: the random numbers of its other half could not be had again.
            # The resume trains the whole epoch from the checkpoint of the one before.
            control.should_training_stop = True
            self.cut = state.global_step % max(round(state.max_steps / args.num_train_epochs), 1) != 0

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any) -> None:
        self._evaluation_started = time.monotonic()
        if self.cut:  # the epoch is not complete
            control.should_log = control.should_evaluate = control.should_save = False
        else:
            check_weights(model, round(state.epoch or 0))

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: dict[str, float], **_: Any) -> None:
        if self.quiet or self.results is None:
            return
        self.epoch = round(state.epoch or 0)
        log = next((e for e in reversed(state.log_history) if "loss" in e), {})
        values = metrics_of(log, metrics)
        self._check_measured(values)
        self.history.append({"epoch": self.epoch, **values})
        self.platform.heartbeat(self.epoch, values)
        path = self.platform.write_image_results(self.epoch, self.results.images())
        own = {k: v for k, v in values.items() if k not in {"loss", "learning_rate", "grad_norm"}}
        self.platform.validation(self.epoch, own, seconds=time.monotonic() - self._evaluation_started, image_results_path=path, **self.results.validation())
        if self.patience_spent():
            control.should_training_stop = True
        if agree(self.platform.stop_requested, args.device):
            control.should_training_stop = True

    def _check_measured(self, values: dict[str, float]) -> None:
        if self.job.primary_metric not in values:
            raise JobError(f"PRIMARY_METRIC {self.job.primary_metric!r} is not measured here; there are {', '.join(sorted(values))}")

    def patience_spent(self) -> bool:
        return bool(self.patience and self.history and self.epoch - self.best()["epoch"] >= self.patience)

    def best(self) -> dict[str, float]:
        """The best epoch so far; of equals the first. An epoch with NaN is never better."""
        sign = -1 if self.job.primary_metric_mode == "min" else 1
        measured = [row for row in self.history if math.isfinite(row[self.job.primary_metric])]
        return max(measured, key=lambda row: sign * row[self.job.primary_metric], default=self.history[0])

    def final_metrics(self) -> dict[str, float]:
        best = self.best() if self.history else {"epoch": 0}
        return {**{k: v for k, v in best.items() if k != "epoch"}, "best_epoch": best["epoch"], "epochs": self.epoch}


def metrics_of(log: dict[str, float], evaluated: dict[str, float]) -> dict[str, float]:
    """The metrics of an epoch from Trainer's two log entries. Its eval_loss, which is smoothed as the training's, and its timings go."""
    found = {key: value for key, value in log.items() if key in {"loss", "learning_rate", "grad_norm"}}
    own = ("eval_loss", "eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "eval_model_preparation_time")
    for key, value in evaluated.items():
        if key.startswith("eval_") and key not in own:
            found[key.removeprefix("eval_")] = value
    return found
