"""Trains a timm classifier on a prepared ImageFolder dataset: the training loop and nothing that the agent does.

The job comes from the environment (contract §3) or from the arguments of the command-line convention.
Every epoch is seeded by its number, so a resumed training on one device equals an uninterrupted one.
"""

from __future__ import annotations

import math
import random
import sys
import time
from pathlib import Path
from typing import Any

import checkpoint
import numpy as np
import recipe
import torch
from config_schema import schema
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler
from trainer_sdk import Job, JobError, Platform, check_options, launch_processes, run
from trainer_vision.folders import SplitImages
from trainer_vision.metrics import ClassifierResults, results
from trainer_vision.processes import PROCESSES, RANK, agree, gather, gpu_count, torch_device


def main(job: Job, platform: Platform) -> None:
    job.check_task(["image_classification"])
    training = Training(job, platform, check_options(job.options, schema()))
    training.run()
    if training.interrupted:
        platform.event("training_stopped", f"Stopped after epoch {training.epoch} of {job.epochs}", {"epoch": training.epoch})
    else:
        best = job.checkpoint_dir / "best.pt"
        platform.done(training.final_metrics(), checkpoint_path=str(best.relative_to(job.output_dir)) if best.is_relative_to(job.output_dir) else None)


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
        elif job.pretrained_weights:
            recipe.load_weights(self.model, job.pretrained_weights)
            if self.average:
                self.average.set(self.model)
        parallel = PROCESSES > 1
        self.parallel: nn.Module = nn.parallel.DistributedDataParallel(self.model, device_ids=[self.device.index] if self.device.type == "cuda" else None) if parallel else self.model

    def _build(self) -> None:
        job, options = self.job, self.options
        train, val = SplitImages(job, "train"), SplitImages(job, "val")
        self.names = names = [c.name for c in train.classes]
        self.model = recipe.build_model(job.model, len(names), job.image_size, options).to(self.device)
        config = recipe.data_config(self.model, job.image_size)
        train.transform, val.transform = recipe.train_transform(config, options), recipe.eval_transform(config)
        self.mixup = recipe.build_mixup(len(names), job.batch_size, options)
        self.loss = recipe.build_loss(self.mixup is not None, options).to(self.device)
        self.generator = torch.Generator()
        self.train_loader, self.val_loader = self._loader(train, training=True), self._loader(val, training=False)
        self.optimizer = recipe.build_optimizer(self.model, job.learning_rate, options)
        self.schedule = recipe.build_schedule(self.optimizer, job, len(self.train_loader), options)
        self.average = recipe.build_average(self.model, options)
        self.amp = self.uses_amp()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp)

    def _loader(self, images: SplitImages, training: bool) -> DataLoader[Any]:
        batch = max(self.job.batch_size // PROCESSES, 1)
        sampler = DistributedSampler(images, shuffle=training, seed=self.options["seed"]) if PROCESSES > 1 else None
        count = len(sampler) if sampler is not None else len(images)
        # A batch norm cannot train on a single image, and mixup needs pairs.
        drop_last = training and count > batch and (count % batch == 1 or (self.mixup is not None and count % batch % 2 == 1))
        if training and self.mixup is not None and count <= batch and count % 2:
            raise JobError(f"mixup and cutmix need an even number of images in a batch; train has {count} for a batch of {batch}")
        return DataLoader(
            images, batch_size=batch, shuffle=training and sampler is None, sampler=sampler, num_workers=self.job.workers,
            pin_memory=self.device.type == "cuda", drop_last=drop_last, generator=self.generator if training else None, worker_init_fn=seed_worker,
        )

    def uses_amp(self) -> bool:
        return self.options["amp"] and self.device.type == "cuda"

    # --- the loop --------------------------------------------------------------------------------

    def run(self) -> None:
        while self.epoch < self.job.epochs and not self._patience_spent():
            seed_everything(self.options["seed"] + 1 + self.epoch * PROCESSES + RANK)
            self.generator.manual_seed(self.options["seed"] + self.epoch)
            if isinstance(self.train_loader.sampler, DistributedSampler):
                self.train_loader.sampler.set_epoch(self.epoch)
            loss = self._train_epoch()
            if self.interrupted:
                self._save("last.pt")  # as not yet done: the resume trains this epoch again
                return
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
        updates = self.epoch * len(self.train_loader)
        total, seen = 0.0, 0
        for step, (images, labels, _) in enumerate(self.train_loader):
            images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
            if self.schedule and self.options["sched"] != "plateau":
                self.schedule.step_update(updates + step)
            targets = labels
            if self.mixup:
                images, targets = self.mixup(images, labels)
            with torch.autocast(self.device.type, enabled=self.amp):
                loss = self.loss(self.parallel(images), targets)
            self._update(loss)
            total, seen = total + loss.item() * len(images), seen + len(images)
            if agree(self.platform.stop_requested, self.device):
                self.interrupted = True
                break
        return total / max(seen, 1)

    def _update(self, loss: torch.Tensor) -> None:
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        if self.options["clip_grad"]:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.options["clip_grad"])
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average:
            self.average.update(self.model)

    @torch.inference_mode()
    def _validate(self) -> tuple[ClassifierResults, float]:
        model = self.average.module if self.average else self.model
        model.eval()
        rows: dict[str, tuple[int, list[float]]] = {}
        losses: dict[str, float] = {}
        for images, labels, files in self.val_loader:
            with torch.autocast(self.device.type, enabled=self.amp):
                output = model(images.to(self.device, non_blocking=True)).float()
            each = nn.functional.cross_entropy(output, labels.to(self.device), reduction="none").tolist()
            rows.update(zip(files, zip(labels.tolist(), output.softmax(1).tolist(), strict=True), strict=True))
            losses.update(zip(files, each, strict=True))
        for other_rows, other_losses in gather((rows, losses)):
            rows.update(other_rows)
            losses.update(other_losses)
        return results(self.names, rows), sum(losses.values()) / max(len(losses), 1)

    # --- what is reported and kept -----------------------------------------------------------------

    def _epoch_completed(self, metrics: dict[str, float], validated: ClassifierResults, seconds: float) -> None:
        if self.job.primary_metric not in metrics:
            raise JobError(f"PRIMARY_METRIC {self.job.primary_metric!r} is not measured here; there are {', '.join(sorted(metrics))}")
        if self.schedule and self.options["sched"] == "plateau":
            self.schedule.step(self.epoch, metrics[self.job.primary_metric])
        self.history.append({"epoch": self.epoch, **metrics})
        frequency = self.job.checkpoint_frequency
        names = ["best.pt"] if self._best()["epoch"] == self.epoch else []
        names += [f"epoch-{self.epoch}.pt"] if frequency and self.epoch % frequency == 0 else []
        self._save("last.pt", *names)
        self.platform.heartbeat(self.epoch, metrics)
        images = self.platform.write_image_results(self.epoch, validated.images())
        own = {k: v for k, v in metrics.items() if k not in {"loss", "learning_rate"}}
        self.platform.validation(self.epoch, own, seconds=seconds, image_results_path=images, **validated.validation())

    def _best(self) -> dict[str, float]:
        """The best epoch so far; of equals the first. An epoch with NaN is never better."""
        sign = -1 if self.job.primary_metric_mode == "min" else 1
        measured = [row for row in self.history if math.isfinite(row[self.job.primary_metric])]
        return max(measured, key=lambda row: sign * row[self.job.primary_metric], default=self.history[0])

    def _patience_spent(self) -> bool:
        return bool(self.options["patience"] and self.history and self.epoch - self._best()["epoch"] >= self.options["patience"])

    def final_metrics(self) -> dict[str, float]:
        best = self._best() if self.history else {"epoch": 0}
        return {**{k: v for k, v in best.items() if k != "epoch"}, "best_epoch": best["epoch"], "epochs": self.epoch, "total_time_seconds": round(time.monotonic() - self.started, 3)}

    def _save(self, *names: str) -> None:
        if RANK != 0:
            return
        state = checkpoint.snapshot(
            self.model, self.optimizer, self.schedule, self.average, self.scaler, epoch=self.epoch, history=self.history,
            arch=self.job.model, class_names=self.names, image_size=self.job.image_size, options=self.options,
        )
        first, *others = (self.job.checkpoint_dir / name for name in names)
        checkpoint.save(state, first, *others)

    def _resume(self, path: Path) -> None:
        state = checkpoint.load(path)
        if state["class_names"] != self.names:
            raise JobError(f"the checkpoint {path} has the classes {state['class_names']}, the dataset {self.names}")
        checkpoint.restore(state, self.model, self.optimizer, self.schedule, self.average, self.scaler)
        self.epoch, self.history = state["epoch"], state["history"]
        print(f"[trainer] resumed after epoch {self.epoch} of {self.job.epochs}", flush=True)


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seed_worker(_worker: int) -> None:
    """Seed numpy and random of a data loader's worker from torch's seed, which differs by worker and epoch."""
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)


if __name__ == "__main__":
    launch_processes(gpu_count(Job.load(sys.argv[1:]).device))
    run(main)
