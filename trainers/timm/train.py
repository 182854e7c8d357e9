"""Trains a timm classifier, or a U-Net with an encoder of timm, on a prepared dataset: the loop and nothing that the agent does.

The job comes from the environment (contract §3) or from the arguments of the command-line convention.
Every epoch is seeded by its number, so a resumed training on one device equals an uninterrupted one.
"""

from __future__ import annotations

import contextlib
import math
import random
import sys
import time
from pathlib import Path
from typing import Any

import checkpoint
import defaults
import numpy as np
import recipe
import torch
from classification import Classification
from config_schema import schema
from loading import loader
from model import keep_frozen_norms, same_architecture
from segmentation import Segmentation
from torch import nn
from torch.utils.data import DistributedSampler
from trainer_sdk import Job, JobError, Platform, check_options, run
from trainer_vision.choices import choose, refuse_frozen_noise, say_from_scratch, say_resumed, say_stopped_early, warn_of_rate
from trainer_vision.divergence import check_weights
from trainer_vision.first_batch import check_first_batch
from trainer_vision.mask_metrics import MaskResults
from trainer_vision.metrics import ClassifierResults
from trainer_vision.processes import PROCESSES, RANK, agree, launch, leave, torch_device
from trainer_vision.resume import check_same, check_same_classes

TASKS = {"image_classification": Classification, "semantic_segmentation": Segmentation}
Results = ClassifierResults | MaskResults


def main(job: Job, platform: Platform) -> None:
    job.check_task(list(TASKS))
    job.check_model(Path(__file__).with_name("capabilities.json"))
    options = check_options(job.options, schema())
    training = Training(with_defaults(job, platform, options), platform, options)
    training.run()
    if training.interrupted:
        platform.event("training_stopped", f"Stopped after epoch {training.epoch} of {job.epochs}", {"epoch": training.epoch})
    else:
        if training.epoch < job.epochs:
            say_stopped_early(job, platform, training.epoch, int(training.best()["epoch"]), options["patience"])
        best = job.checkpoint_dir / "best.pt"
        platform.done(training.final_metrics(), checkpoint_path=str(best.relative_to(job.output_dir)) if best.is_relative_to(job.output_dir) else None)
    leave()


def with_defaults(job: Job, platform: Platform, options: dict[str, Any]) -> Job:
    """The job with an image size and a learning rate that suit the model, where nobody set them."""
    if job.resume_checkpoint:  # as they were when it was saved
        state = checkpoint.load(job.resume_checkpoint)
        check_same(job, state.get("task"), None if same_architecture(state["arch"], job.model) else state["arch"])
        job = job.choose(**{name: state[name] for name in ("image_size", "learning_rate", "batch_size") if name in state})
    refuse_frozen_noise(job, options)
    rate = defaults.learning_rate(job, options)
    job = choose(job, platform, job.model, image_size=defaults.image_size(job), learning_rate=rate)
    say_from_scratch(job, platform)
    warn_of_rate(job, platform, rate)
    return job


class Training:
    """One job's training: what it is made of, and the loop."""

    def __init__(self, job: Job, platform: Platform, options: dict[str, Any]) -> None:
        self.job, self.platform, self.options = job, platform, options
        self.device = torch_device(job.device)
        self.epoch = 0  # epochs completed
        self.interrupted = False
        self.history: list[dict[str, float]] = []
        self.started = time.monotonic()
        if PROCESSES > 1:
            torch.distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        seed_everything(options["seed"])
        self._build()
        if job.resume_checkpoint:
            self._resume(job.resume_checkpoint)
        parallel = PROCESSES > 1
        self.parallel: nn.Module = nn.parallel.DistributedDataParallel(self.model, device_ids=[self.device.index] if self.device.type == "cuda" else None) if parallel else self.model

    def _build(self) -> None:
        job, options = self.job, self.options
        self.work = TASKS[job.task](job, self.platform, options)
        self.names, self.mixup, self.model = self.work.names, self.work.mixup, self.work.model
        train = self.work.train
        check_first_batch(self.model, max(min(job.batch_size // PROCESSES, len(train)), 1), job.image_size)
        self.layout = torch.channels_last if options["channels_last"] else torch.contiguous_format
        self.model.to(self.device, memory_format=self.layout)
        self.loss = self.work.loss.to(self.device)
        self.generator = torch.Generator()
        self.train_loader = loader(job, train, options, self.generator, mixed=self.mixup is not None)
        self.val_loader = loader(job, self.work.val, options)
        self.optimizer = recipe.build_optimizer(self.model, job.learning_rate, options)
        self.schedule = recipe.build_schedule(self.optimizer, job, len(self.train_loader), options)
        self.average = recipe.build_average(self.model, options)
        self.amp = self.uses_amp()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp and options["amp_dtype"] == "float16")

    def uses_amp(self) -> bool:
        return self.options["amp"] and self.device.type == "cuda"

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=getattr(torch, self.options["amp_dtype"]), enabled=self.amp)

    # --- the loop --------------------------------------------------------------------------------

    def run(self) -> None:
        while self.epoch < self.job.epochs and not self._patience_spent():
            seed_everything(self.options["seed"] + 1 + self.epoch * PROCESSES + RANK)
            self.generator.manual_seed(self.options["seed"] + self.epoch)
            if isinstance(self.train_loader.sampler, DistributedSampler):
                self.train_loader.sampler.set_epoch(self.epoch)
            loss = self._train_epoch()
            if self.interrupted:
                return  # last.pt stays as the epoch before left it: the resume trains this one again, from the same start
            check_weights(self.model, self.epoch + 1)
            started = time.monotonic()
            validated, val_loss = self._validate()
            self.epoch += 1
            metrics = {"loss": loss, "val_loss": val_loss, **validated.metrics(), "learning_rate": self.optimizer.param_groups[-1]["lr"]}
            self._epoch_completed(metrics, validated, time.monotonic() - started)
            if agree(self.platform.stop_requested, self.device) and self.epoch < self.job.epochs:
                self.interrupted = True
                return

    def _train_epoch(self) -> float:
        self.parallel.train()
        if self.options["freeze_backbone"]:
            keep_frozen_norms(self.model)
        batches, accumulate = len(self.train_loader), self.options["grad_accum_steps"]
        total, seen = 0.0, 0
        for step, (images, labels, _) in enumerate(self.train_loader):
            images = images.to(self.device, non_blocking=True, memory_format=self.layout)
            labels = labels.to(self.device, non_blocking=True)
            if self.options["sched"] != "plateau":
                self.schedule.step_update(self.epoch * batches + step)
            targets = labels
            if self.mixup:
                images, targets = self.mixup(images, labels)
            last = step + 1 == batches or (step + 1) % accumulate == 0
            share = min(accumulate, batches - step // accumulate * accumulate)  # batches of this update
            with contextlib.nullcontext() if last or PROCESSES == 1 else self.parallel.no_sync():  # type: ignore[operator]
                with self.autocast():
                    loss = self.loss(self.parallel(images), targets)
                self.scaler.scale(loss / share).backward()
            if last:
                self._update(1 + self.epoch * math.ceil(batches / accumulate) + step // accumulate)
            total, seen = total + loss.item() * len(images), seen + len(images)
            if agree(self.platform.stop_requested, self.device) and step + 1 < batches:
                self.interrupted = True
                break
        return total / max(seen, 1)

    def _update(self, number: int) -> None:
        """The update of the weights with this number, counted from 1 over the whole training."""
        if self.options["clip_grad"]:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.options["clip_grad"])
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        if self.average:
            self.average.update(self.model, step=number)

    @torch.inference_mode()
    def _validate(self) -> tuple[Results, float]:
        model = self.average.module if self.average else self.model
        model.eval()
        scores = self.work.scores()
        for images, labels, files in self.val_loader:
            with self.autocast():
                output = model(images.to(self.device, non_blocking=True, memory_format=self.layout)).float()
            scores.add(output, labels.to(self.device), files)
        return scores.finish()

    # --- what is reported and kept -----------------------------------------------------------------

    def _epoch_completed(self, metrics: dict[str, float], validated: Results, seconds: float) -> None:
        self._check_measured(metrics)
        if self.options["sched"] == "plateau":
            self.schedule.step(self.epoch, metrics[self.job.primary_metric])
        self.history.append({"epoch": self.epoch, **metrics})
        self._save()
        self.platform.heartbeat(self.epoch, metrics)
        images = self.platform.write_image_results(self.epoch, validated.images())
        own = {k: v for k, v in metrics.items() if k not in {"loss", "learning_rate"}}
        self.platform.validation(self.epoch, own, seconds=seconds, image_results_path=images, **validated.validation())

    def _check_measured(self, metrics: dict[str, float]) -> None:
        if self.job.primary_metric not in metrics:
            raise JobError(f"PRIMARY_METRIC {self.job.primary_metric!r} is not measured here; there are {', '.join(sorted(metrics.keys() - {'epoch'}))}")

    def best(self) -> dict[str, float]:
        """The best epoch so far; of equals the first. An epoch with NaN is never better."""
        sign = -1 if self.job.primary_metric_mode == "min" else 1
        measured = [row for row in self.history if math.isfinite(row[self.job.primary_metric])]
        return max(measured, key=lambda row: sign * row[self.job.primary_metric], default=self.history[0])

    def _patience_spent(self) -> bool:
        return bool(self.options["patience"] and self.history and self.epoch - self.best()["epoch"] >= self.options["patience"])

    def final_metrics(self) -> dict[str, float]:
        best = self.best() if self.history else {"epoch": 0}
        return {**{k: v for k, v in best.items() if k != "epoch"}, "best_epoch": best["epoch"], "epochs": self.epoch, "total_time_seconds": round(time.monotonic() - self.started, 3)}

    def _save(self) -> None:
        """Write last.pt, epoch-N.pt where it is due, and best.pt without what only a resume needs."""
        if RANK != 0:
            return
        job = self.job
        state = checkpoint.snapshot(
            self.model, self.optimizer, self.schedule, self.average, self.scaler, epoch=self.epoch, history=self.history,
            task=job.task, arch=job.model, class_names=self.names, image_size=job.image_size, learning_rate=job.learning_rate, batch_size=job.batch_size, options=self.options,
        )
        due = job.checkpoint_frequency and self.epoch % job.checkpoint_frequency == 0
        checkpoint.save(state, job.checkpoint_dir / "last.pt", *([job.checkpoint_dir / f"epoch-{self.epoch}.pt"] if due else []))
        self._save_best(state)

    def _save_best(self, state: dict[str, Any]) -> None:
        if RANK == 0 and self.best()["epoch"] == self.epoch:
            checkpoint.save(checkpoint.weights_only(state), self.job.checkpoint_dir / "best.pt")

    def _resume(self, path: Path) -> None:
        state = checkpoint.load(path)
        check_same_classes(path, state["class_names"], self.names)
        checkpoint.restore(state, self.model, self.optimizer, self.schedule, self.average, self.scaler)
        self.epoch, self.history = state["epoch"], state["history"]
        self._check_measured(self.history[-1])
        self._save_best(state)  # a training that was killed after last.pt has it in there alone
        if RANK == 0:
            say_resumed(self.job, self.epoch)


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


if __name__ == "__main__":
    launch(sys.argv[1:])
    run(main)
