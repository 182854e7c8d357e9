"""Ultralytics' trainers, bent to one job: reports, checkpoints by the contract, a clean stop, a true resume.

`job_trainer(task)` gives the class for a task. Training itself stays Ultralytics'; what is overridden
here is what the platform defines: the best epoch is that of PRIMARY_METRIC, epoch-N.pt is written
every CHECKPOINT_FREQUENCY epochs counted from 1, and a stop keeps a checkpoint that can be resumed.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from pathlib import Path
from typing import Any

import reading  # noqa: F401  Ultralytics reads images with it from here on
import torch
from checkpoints import read_checkpoint
from dataset_check import check_folders, check_labels, check_names
from exact import ExactEpochs, rewrite
from heads import Head, in_order, leave_out, scoring
from results import BoxRecorder, ClassRecorder, NamedSamples, per_class_metrics, platform_metrics, pr_curves
from trainer_sdk import Job, JobError, Platform
from trainer_vision.choices import say_resumed
from trainer_vision.metrics import bounded
from trainer_vision.processes import agree
from trainer_vision.weights import report_weights
from ultralytics.models.yolo.classify import ClassificationTrainer
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.models.yolo.obb import OBBTrainer
from ultralytics.models.yolo.pose import PoseTrainer
from ultralytics.models.yolo.segment import SegmentationTrainer
from ultralytics.utils import RANK
from ultralytics.utils.torch_utils import strip_optimizer

_TRAINERS = {"detect": DetectionTrainer, "segment": SegmentationTrainer, "pose": PoseTrainer, "classify": ClassificationTrainer, "obb": OBBTrainer}


class JobTrainerMixin(ExactEpochs):
    """Stands before one of Ultralytics' trainers in the method resolution order."""

    def __init__(self, job: Job, platform: Platform, overrides: dict[str, Any]) -> None:
        self.job, self.platform = job, platform
        self.history: list[dict[str, float]] = []  # one entry an epoch: epoch and metrics
        self.cut = False  # the epoch under way ended early because of a stop
        self.improved = False  # the last validation was the best so far
        self.finished = False  # there was nothing left to train
        self._pending = -1  # epoch whose report is due
        super().__init__(overrides=overrides)
        self._cpu_processes = int(os.environ.get("WORLD_SIZE", 1)) if self.device.type == "cpu" else 1
        if self._cpu_processes > 1:
            torch.distributed.init_process_group("gloo")
        self.wdir = job.checkpoint_dir
        self.wdir.mkdir(parents=True, exist_ok=True)
        self.last, self.best = self.wdir / "last.pt", self.wdir / "best.pt"
        self.save_period = -1  # save_model does it, on epochs counted from 1
        if self.resume:
            self._restore_history(Path(overrides["resume"]))
        self.add_callback("on_train_epoch_start", lambda _: self.start_epoch_afresh())
        self.add_callback("on_train_batch_end", lambda _: self._stop_within_epoch())
        self.add_callback("on_train_epoch_end", lambda _: self._training_of_epoch_ended())
        self.add_callback("on_fit_epoch_end", lambda _: self._epoch_completed())

    # --- the dataset -------------------------------------------------------------------------

    def get_dataset(self) -> dict[str, Any]:
        data = super().get_dataset()
        if self.args.task != "classify":
            check_names(data["names"], self.job.classes())
        return data

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:
        dataset = super().build_dataset(img_path, mode, batch)
        if self.args.task == "classify":
            dataset.__class__ = NamedSamples
            check_folders(dataset, img_path, mode, self.job.classes())
        else:
            check_labels(dataset, img_path, mode)
        return dataset

    def set_model_attributes(self) -> None:
        super().set_model_attributes()
        if self.args.task == "classify" and (classes := self.job.classes()):
            self.model.names = {c.index: c.name for c in classes}  # not the folders' names

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
        """Ultralytics takes from the weights what fits in its shape and says a number; here the scores of other classes are not taken, and every tensor that stays fresh is named."""
        if weights is None or self.resume or self.finished:
            return super().get_model(cfg, weights, verbose)
        head = Head(in_order(weights.names), [c.name for c in self.job.classes()] or in_order(self.data["names"]))
        by_name = head.shared() if self.args.cls_remap and self.args.task != "classify" else []  # which Ultralytics does for detectors
        theirs, others = weights.state_dict(), set() if head.same else set(scoring(weights))
        if others and not by_name:
            leave_out(weights, sorted(others))
        model = super().get_model(cfg, weights, verbose)
        if RANK in {-1, 0}:
            ours = model.state_dict()
            misfits = [name for name, tensor in ours.items() if name in theirs and theirs[name].shape != tensor.shape]
            fresh = [name for name in ours if name not in theirs or name in others or name in misfits]
            report_weights(
                model, Path(self.args.pretrained), fresh, [f"model.{len(model.model) - 1}."], set(theirs) - set(ours), self.platform,
                in_layers=False, misfits=misfits, reason=head.why(by_name) if others else "",
            )
        return model

    # --- several processes on CPU, which Ultralytics does not do; on GPUs it does ----------------

    def _setup_train(self) -> None:
        super()._setup_train()
        if self.args.imgsz != self.job.image_size and not self.resume:
            message = f"IMAGE_SIZE {self.job.image_size} is not a multiple of the model's stride of {self.stride}: trained with {self.args.imgsz}"
            self.platform.event("setting_adjusted", message, {"image_size": self.args.imgsz})
        if self._cpu_processes > 1:
            self.model = torch.nn.parallel.DistributedDataParallel(self.model, find_unused_parameters=True)

    def _build_train_pipeline(self) -> None:
        if self._cpu_processes > 1:
            self.world_size = self._cpu_processes
        try:
            super()._build_train_pipeline()
        except ValueError as error:
            if "BatchNorm" not in str(error):
                raise
            advice = f"set BATCH_SIZE to another number than {self.batch_size}, or IMAGE_SIZE to {2 * self.stride} or more"
            raise JobError(f"the last batch of an epoch is a single image of {self.args.imgsz} px, from which a batch norm cannot learn: {advice}") from error

    # --- validation, checkpoints ---------------------------------------------------------------

    def get_validator(self) -> Any:
        validator = super().get_validator()
        self.recorder = ClassRecorder(validator) if self.args.task == "classify" else BoxRecorder(validator)
        return validator

    def validate(self) -> tuple[Any, Any]:
        """Validate and take the primary metric for fitness, which decides best.pt and early stopping."""
        if self.cut:
            return self.metrics, self.fitness
        best = self.best_fitness
        started = time.monotonic()
        metrics, fitness = super().validate()
        self.validation_seconds = time.monotonic() - started
        if metrics is None:
            return None, None
        self._true_loss(metrics)
        values = platform_metrics(metrics)
        if self.job.primary_metric not in values:
            raise JobError(f"PRIMARY_METRIC {self.job.primary_metric!r} is not measured here; there are {', '.join(sorted(values))}")
        fitness = values[self.job.primary_metric] * (-1 if self.job.primary_metric_mode == "min" else 1)
        self.improved = math.isfinite(fitness) and not (best is not None and best >= fitness)
        self.best_fitness = fitness if self.improved else best
        return metrics, fitness

    def _true_loss(self, metrics: dict[str, Any]) -> None:
        """A classifier's val_loss is the cross-entropy of every image, as in the other trainers: Ultralytics has the mean of batches."""
        if isinstance(self.recorder, ClassRecorder) and self.recorder.rows:
            metrics["val/loss"] = self.recorder.results().cross_entropy()

    def save_metrics(self, metrics: dict[str, Any]) -> None:
        if not self.cut:
            super().save_metrics(metrics)

    def save_model(self) -> bool:
        """Write last.pt and best.pt, and epoch-N.pt where it is due. A cut epoch is not saved: the resume trains it again.

        Ultralytics writes best.pt for every epoch that equals the best one; what is reported as best is the first of them.
        """
        if self.cut:
            return False
        (last, best), (self.last, self.best) = (self.last, self.best), (self.wdir / ".last.pt.tmp", self.wdir / ".best.pt.tmp")
        try:
            saved = super().save_model()
            rewrite(self.last, last, exact=self.exact_state())
            if self.improved:
                self.best.replace(best)
        finally:
            self.last.unlink(missing_ok=True)
            self.best.unlink(missing_ok=True)
            self.last, self.best = last, best
        if self.job.checkpoint_frequency and (self.epoch + 1) % self.job.checkpoint_frequency == 0:
            copy_at_once(self.last, self.wdir / f"epoch-{self.epoch + 1}.pt")
        return saved

    def final_eval(self) -> None:
        """Strip the checkpoints and validate the best one; a stopped run keeps its optimiser for the resume."""
        if agree(self.platform.stop_requested, self.device):
            return
        if self._cpu_processes > 1:
            return  # Ultralytics would look for the rank's GPU
        super().final_eval()
        if RANK in {-1, 0} and self.last.is_file():
            rewrite(self.last, self.last, exact=None)

    # --- stop and resume -----------------------------------------------------------------------

    def _stop_within_epoch(self) -> None:
        if agree(self.platform.stop_requested, self.device) and self._batch < len(self.train_loader):
            self.cut = self.stop = True

    def _training_of_epoch_ended(self) -> None:
        self.end_epoch()
        self._pending = self.epoch

    def check_resume(self, overrides: dict[str, Any]) -> None:
        """Resume with the number of epochs that the job asks for now, not the checkpoint's."""
        super().check_resume(overrides)
        if self.resume:
            for key in ("epochs", "save_dir", "project", "name"):
                setattr(self.args, key, overrides[key])

    def finish(self) -> None:
        """End a training whose epochs are all done: keep its checkpoint as a finished run does, validate and report it."""
        self.finished = True
        checkpoint = self.job.resume_checkpoint
        self._restore_history(checkpoint)
        strip_optimizer(checkpoint, self.last, updates={"exact": None})
        self._setup_train()
        self.validator.args.plots = False
        started = time.monotonic()
        self.metrics = self.validator(model=self.last)
        self._true_loss(self.metrics)
        self.validation_seconds = time.monotonic() - started
        epoch = max(self.job.resume_epoch, int(self.history[-1]["epoch"]) if self.history else 0)
        self.epoch = epoch - 1
        say_resumed(self.job, epoch)
        values = platform_metrics(self.metrics)
        known = {key: value for key, value in (self.history[-1] if self.history else {}).items() if key != "epoch"}
        self.platform.heartbeat(epoch, {**known, **values})
        self.platform.validation(epoch, values, seconds=self.validation_seconds, **self._validation(epoch))

    def _restore_history(self, checkpoint: Path) -> None:
        """Write results.csv again as it was when the checkpoint was saved; a finished one holds every epoch."""
        _, state = read_checkpoint(checkpoint)
        columns = state.get("train_results") or {}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        rows = [row for row in rows if state["epoch"] < 0 or row["epoch"] <= state["epoch"] + 1]
        self.history = [{"epoch": row["epoch"], **platform_metrics({k: v for k, v in row.items() if "/" in k and not k.startswith("lr/")})} for row in rows]
        if RANK in {-1, 0} and rows:
            lines = [",".join(columns)] + [",".join(f"{v:.6g}" for v in row.values()) for row in rows]
            self.csv.write_text("\n".join(lines) + "\n", encoding="utf-8")

    # --- reports -------------------------------------------------------------------------------

    def _epoch_completed(self) -> None:
        """Report the epoch; Ultralytics calls this once more after the final validation, which is not an epoch."""
        if self._pending != self.epoch or self.cut:
            return
        self._pending = -1
        self.stop = self.stop or self.platform.stop_requested
        if RANK not in {-1, 0}:
            return
        epoch = self.epoch + 1
        metrics = {**self._losses(), **platform_metrics(self.metrics), "learning_rate": self._learning_rate()}
        self.history.append({"epoch": epoch, **metrics})
        self.platform.heartbeat(epoch, metrics)
        self.platform.validation(epoch, metrics, seconds=self.validation_seconds, **self._validation(epoch))

    def _losses(self) -> dict[str, float]:
        losses = {key: float(value) for key, value in (self.tloss or {}).items()}
        return losses if "loss" in losses else {**losses, "loss": sum(losses.values())}

    def _learning_rate(self) -> float:
        groups = self.optimizer.param_groups
        return next((g["lr"] for g in groups if g.get("param_group") in {"weight", "muon"}), groups[0]["lr"])

    def _validation(self, epoch: int) -> dict[str, Any]:
        if isinstance(self.recorder, ClassRecorder):
            results = self.recorder.results()
            return {**results.validation(), "image_results_path": self.platform.write_image_results(epoch, results.images())}
        return {
            "per_class_metrics": per_class_metrics(self.validator),
            "confusion_matrix": bounded(self.recorder.confusion_matrix()),
            "pr_curves": pr_curves(self.validator),
            "image_results_path": self.platform.write_image_results(epoch, self.recorder.images),
            "num_images": len(self.recorder.images),
        }


def copy_at_once(source: Path, target: Path) -> None:
    """Copy so that whoever watches the folder sees the whole file or none."""
    partial = target.with_name(f".{target.name}.tmp")
    shutil.copyfile(source, partial)
    partial.replace(target)


def job_trainer(task: str) -> type:
    """The trainer class for a task of Ultralytics."""
    base = _TRAINERS[task]
    return type(f"Job{base.__name__}", (JobTrainerMixin, base), {})
