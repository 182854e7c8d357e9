"""Trains a Hugging Face image model on a prepared ImageFolder dataset: the training and nothing that the agent does.

image_classification (ViT, DINO, CLIP) and zero_shot_classification (CLIP) run through transformers'
own Trainer. The job comes from the environment (contract §3) or from the command-line convention.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import images
import models
import numpy as np
import offline  # noqa: F401  before transformers
import torch
from clip import ZeroShotCLIP
from config_schema import schema
from reports import JobCallback
from trainer_sdk import Job, JobError, Platform, check_options, launch_processes, run, write_json
from trainer_vision.folders import SplitImages
from trainer_vision.metrics import ClassifierResults
from trainer_vision.processes import PROCESSES, gpu_count, torch_device
from transformers import EvalPrediction, Trainer, TrainingArguments, set_seed

TASKS = ["image_classification", "zero_shot_classification"]


def main(job: Job, platform: Platform) -> None:
    job.check_task(TASKS)
    options = check_options(job.options, schema())
    if "{}" not in options["prompt"]:
        raise JobError(f"option 'prompt' is {options['prompt']!r}, expected a text with {{}} in the place of the class name")
    torch_device(job.device)  # refuses a GPU that is not there
    set_seed(options["seed"])
    started = time.monotonic()
    trainer, callback = build_trainer(job, platform, options)
    if job.task == "zero_shot_classification" and not job.resume_checkpoint:
        report_zero_shot(trainer, callback, platform)
    trainer.train(resume_from_checkpoint=str(job.resume_checkpoint) if job.resume_checkpoint else None)
    if callback.cut or (platform.stop_requested and callback.epoch < job.epochs):
        platform.event("training_stopped", f"Stopped after epoch {callback.epoch} of {job.epochs}", {"epoch": callback.epoch})
        return
    best = trainer.state.best_model_checkpoint
    best_path = str(Path(best).relative_to(job.output_dir)) if best and Path(best).is_relative_to(job.output_dir) else None
    platform.done({**callback.final_metrics(), "total_time_seconds": round(time.monotonic() - started, 3)}, checkpoint_path=best_path)


def build_trainer(job: Job, platform: Platform, options: dict[str, Any]) -> tuple[Trainer, JobCallback]:
    train, val = SplitImages(job, "train"), SplitImages(job, "val")
    names = [c.name for c in train.classes]
    weights = job.pretrained_weights
    folder = models.model_folder(weights) if weights else None
    model = models.build(job.task, job.model, names, job.image_size, weights, options["prompt"])
    if options["freeze_backbone"]:
        freeze_backbone(model)
    norm = images.norm_of(job.model, folder)
    train.transform, val.transform = images.train_transform(job.image_size, norm, options), images.eval_transform(job.image_size, norm)
    native = getattr(model.config, "vision_config", model.config).image_size
    callback = JobCallback(job, platform, options["patience"])

    def collate(batch: list[tuple[torch.Tensor, int, str]]) -> dict[str, Any]:
        inputs: dict[str, Any] = {"pixel_values": torch.stack([image for image, _, _ in batch]), "labels": torch.tensor([label for _, label, _ in batch])}
        return inputs if native == job.image_size else {**inputs, "interpolate_pos_encoding": True}

    def compute_metrics(predicted: EvalPrediction) -> dict[str, float]:
        logits = torch.from_numpy(np.asarray(predicted.predictions)).float()
        files = [str(Path(path).relative_to(val.root)) for path, _ in val.samples]
        callback.results = ClassifierResults(names, files, np.asarray(predicted.label_ids), logits.softmax(1).numpy().astype(float))
        return callback.results.metrics()

    trainer = JobTrainer(
        model=model, args=training_arguments(job, options), train_dataset=train, eval_dataset=val,
        data_collator=collate, compute_metrics=compute_metrics, callbacks=[callback],
    )
    trainer.extra_files = {
        "preprocessor_config.json": images.describe(job.image_size, norm),
        "trainer.json": {"task": job.task, "model": job.model, "class_names": names, "prompt": options["prompt"], "image_size": job.image_size},
    }
    return trainer, callback


class JobTrainer(Trainer):
    """transformers' Trainer; a saved model has what is needed to use it beside it."""

    extra_files: Mapping[str, Any] = MappingProxyType({})

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load as from_pretrained does, every tensor or an error.

        A checkpoint has the hub's tensor names. Trainer's own loading compares them with the model's, which
        transformers 5 renamed, and goes on with what is equal: of a ViT 8 tensors of 200, without a word.
        """
        target = self.model if model is None else model
        saved, report = type(target).from_pretrained(resume_from_checkpoint, config=target.config, output_loading_info=True)
        if report["missing_keys"] or report["mismatched_keys"]:
            raise JobError(f"the checkpoint {resume_from_checkpoint} does not fit the job's model: {sorted(report['missing_keys'])[:3]} are missing")
        target.load_state_dict(saved.state_dict())
        if isinstance(target, ZeroShotCLIP):
            target.refresh_classes()  # with the text tower of the checkpoint

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        folder = Path(output_dir or self.args.output_dir)
        for name, value in self.extra_files.items():
            write_json(folder / name, value)
        if tokenizer := getattr(self.model, "tokenizer", None):
            tokenizer.save_pretrained(folder)


def training_arguments(job: Job, options: dict[str, Any]) -> TrainingArguments:
    half = options["amp"] and job.device.startswith("cuda")
    bf16 = half and torch.cuda.is_bf16_supported()
    return TrainingArguments(
        output_dir=str(job.checkpoint_dir),
        num_train_epochs=job.epochs,
        per_device_train_batch_size=max(job.batch_size // PROCESSES, 1),
        per_device_eval_batch_size=max(job.batch_size // PROCESSES, 1),
        learning_rate=job.learning_rate,
        optim=options["optim"], weight_decay=options["weight_decay"], adam_beta1=options["adam_beta1"], max_grad_norm=options["max_grad_norm"],
        gradient_accumulation_steps=options["gradient_accumulation_steps"], lr_scheduler_type=options["lr_scheduler_type"],
        warmup_steps=options["warmup_ratio"],  # below 1 it is a share of the training
        label_smoothing_factor=options["label_smoothing_factor"], activation_checkpointing=options["activation_checkpointing"],
        seed=options["seed"], bf16=bf16, fp16=half and not bf16, use_cpu=not job.device.startswith("cuda"), ddp_backend="gloo" if PROCESSES > 1 and not job.device.startswith("cuda") else None,
        dataloader_num_workers=job.workers, dataloader_pin_memory=job.device.startswith("cuda"), ddp_find_unused_parameters=PROCESSES > 1,
        eval_strategy="epoch", save_strategy="epoch", logging_strategy="epoch", logging_nan_inf_filter=False, save_total_limit=3,
        metric_for_best_model=f"eval_{job.primary_metric.removeprefix('val_')}", greater_is_better=job.primary_metric_mode != "min",
        remove_unused_columns=False, label_names=["labels"], report_to="none", disable_tqdm=True,
    )


def freeze_backbone(model: torch.nn.Module) -> None:
    """Train only what turns features into classes."""
    heads = ("classifier.", "visual_projection.", "logit_scale")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(heads))


def report_zero_shot(trainer: Trainer, callback: JobCallback, platform: Platform) -> None:
    """Tell how well the text alone classifies, before the image tower is tuned."""
    callback.quiet = True
    metrics = {k.removeprefix("eval_"): v for k, v in trainer.evaluate().items()}
    callback.quiet = False
    platform.event("zero_shot_evaluated", f"Zero-shot accuracy before training: {metrics['accuracy']:.4f}", {"metrics": metrics})


if __name__ == "__main__":
    launch_processes(gpu_count(Job.load(sys.argv[1:]).device))
    run(main)
