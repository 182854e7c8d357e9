"""Trains a Hugging Face image model on a prepared dataset: the training and nothing that the agent does.

image_classification (ViT, DINO, CLIP), zero_shot_classification (CLIP) and semantic_segmentation
(SegFormer) and object_detection (RT-DETR) run through transformers' own Trainer. The job comes from the environment (contract §3) or from the command-line convention.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import offline  # noqa: F401  before transformers
import classification
import detection
import models
import preprocessing
import segmentation
import torch
from clip import ZeroShotCLIP, templates
from config_schema import schema
from reports import JobCallback, metrics_of
from trainer_sdk import Job, Platform, check_options, run
from trainer_vision.choices import choose, refuse_frozen_noise, say, say_from_scratch, say_stopped_early, warn_of_rate
from trainer_vision.first_batch import check_first_batch
from trainer_vision.processes import PROCESSES, launch, leave, torch_device
from trainer_vision.resume import check_same, check_same_classes
from transformers import Trainer, TrainerState, TrainingArguments, set_seed

TASKS: dict[str, Any] = {"image_classification": classification, "zero_shot_classification": classification, "semantic_segmentation": segmentation, "object_detection": detection}


def main(job: Job, platform: Platform) -> None:
    train(job, platform)
    leave()


def train(job: Job, platform: Platform) -> None:
    job.check_task(list(TASKS))
    job.check_model(Path(__file__).with_name("capabilities.json"))
    options = check_options(job.options, schema())
    templates(options["prompt"])  # says what is wrong with it
    torch_device(job.device)  # refuses a GPU that is not there
    set_seed(options["seed"])
    started = time.monotonic()
    job = with_defaults(job, platform, options)
    trainer, callback = build_trainer(job, platform, options)
    if job.task == "zero_shot_classification" and not job.resume_checkpoint:
        report_zero_shot(trainer, callback, platform, options["prompt"])
    restore(trainer, callback)
    trainer.train(resume_from_checkpoint=str(job.resume_checkpoint) if job.resume_checkpoint else None)
    if callback.cut or (platform.stop_requested and callback.epoch < job.epochs):
        platform.event("training_stopped", f"Stopped after epoch {callback.epoch} of {job.epochs}", {"epoch": callback.epoch})
        return
    if callback.epoch < job.epochs:
        say_stopped_early(job, platform, callback.epoch, int(callback.best()["epoch"]), callback.patience)
    best = trainer.state.best_model_checkpoint
    best_path = str(Path(best).relative_to(job.output_dir)) if best and Path(best).is_relative_to(job.output_dir) else None
    platform.done({**callback.final_metrics(), "total_time_seconds": round(time.monotonic() - started, 3)}, checkpoint_path=best_path)


def restore(trainer: Trainer, callback: JobCallback) -> None:
    """What the checkpoint to resume tells of its epochs. One whose patience was spent has nothing left to train, which Trainer asks after an epoch only."""
    checkpoint = callback.job.resume_checkpoint
    if checkpoint is None or not (state := checkpoint / "trainer_state.json").is_file():
        return
    callback.restore(TrainerState.load_from_json(str(state)))
    if callback.patience_spent():
        trainer.args.num_train_epochs = callback.epoch


def with_defaults(job: Job, platform: Platform, options: dict[str, Any]) -> Job:
    """The job with an image size and a learning rate that suit the model, where nobody set them."""
    if saved := resumed(job):  # as they were when it was saved
        check_same(job, saved.get("task"), saved.get("model"))
        job = job.choose(**{name: saved[name] for name in ("image_size", "learning_rate", "batch_size") if name in saved})
    weights = job.pretrained_weights
    refuse_frozen_noise(job, options)
    folder = models.model_folder(weights) if weights else None
    config = models.read_config(job.model, models.NATIVE_SIZE, folder, task=job.task)
    rate = models.learning_rate(config, job.task, weights is not None, options)
    size = preprocessing.of_model(job.model, folder, models.native_size(config) or models.NATIVE_SIZE).size
    job = choose(job, platform, job.model or config.model_type, image_size=size, learning_rate=rate)
    if weights and not job.resume_checkpoint and job.image_size != models.native_size(config):  # SigLIP's own is no multiple
        models.check_size(config, job.image_size)
    say_from_scratch(job, platform)
    warn_of_rate(job, platform, rate)
    return job


def resumed(job: Job) -> dict[str, Any]:
    """What the trainer wrote beside the checkpoint that the job goes on from."""
    path = job.resume_checkpoint / "trainer.json" if job.resume_checkpoint else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}


def build_trainer(job: Job, platform: Platform, options: dict[str, Any]) -> tuple[Trainer, JobCallback]:
    task = TASKS[job.task]
    say_ignored(platform, options, task.IGNORED)
    train, val = task.splits(job, options)
    names = task.outputs([c.name for c in train.classes], options)
    if job.resume_checkpoint:
        check_same_classes(job.resume_checkpoint, resumed(job).get("class_names", names), names)
    weights = job.pretrained_weights
    folder = models.model_folder(weights) if weights else None
    model = models.build(job.task, job.model, names, job.image_size, weights, options["prompt"], None if job.resume_checkpoint else platform)
    if options["freeze_backbone"]:
        freeze_backbone(model)
    how = preprocessing.of_model(job.model, folder, models.native_size(model.config) or job.image_size).at(job.image_size)
    task.set_transforms(train, val, how, options)
    more = models.size_arguments(model, job.image_size)
    batch = max(min(job.batch_size // PROCESSES, len(train)), 1)
    if task is not detection:  # whose models cannot be run without numbers
        check_first_batch(model, batch, job.image_size, "pixel_values", **more)
    callback = JobCallback(job, platform, options["patience"])
    trainer = task.trainer(names, val, callback, more, model=model, args=training_arguments(job, options), train_dataset=train)
    trainer.drops_single = len(train) > batch and len(train) % batch == 1
    trainer.extra_files = {
        "preprocessor_config.json": how.describe(),
        "trainer.json": {
            "task": job.task, "model": job.model, "class_names": names, "prompt": options["prompt"], "ignore_background": options["ignore_background"],
            "image_size": job.image_size, "learning_rate": job.learning_rate, "batch_size": job.batch_size,
        },
    }
    return trainer, callback


def say_ignored(platform: Platform, options: Mapping[str, Any], off: Mapping[str, Any]) -> None:
    """A preset is for every task: what means nothing for this one is left out, and said."""
    if ignored := [key for key, value in off.items() if options[key] != value]:
        message = f"options for whole images, not used: {', '.join(ignored)}"
        say(f"[trainer] {message}")
        platform.event("options_ignored", message[0].upper() + message[1:], {"options": ignored})


def training_arguments(job: Job, options: dict[str, Any]) -> TrainingArguments:
    half = options["amp"] and job.device.startswith("cuda")
    bf16 = half and torch.cuda.is_bf16_supported()
    return TrainingArguments(
        output_dir=str(job.checkpoint_dir),
        num_train_epochs=job.epochs,
        per_device_train_batch_size=max(job.batch_size // PROCESSES, 1),
        per_device_eval_batch_size=max(job.batch_size // PROCESSES, 1),
        learning_rate=job.learning_rate,
        optim=options["optim"], optim_args=f"momentum={options['momentum']}" if options["optim"] in {"sgd", "rmsprop"} else None, weight_decay=options["weight_decay"], adam_beta1=options["adam_beta1"], max_grad_norm=options["max_grad_norm"],
        gradient_accumulation_steps=options["gradient_accumulation_steps"], lr_scheduler_type=options["lr_scheduler_type"],
        warmup_steps=options["warmup_ratio"],  # below 1 it is a share of the training
        label_smoothing_factor=options["label_smoothing_factor"], activation_checkpointing=options["activation_checkpointing"],
        seed=options["seed"], bf16=bf16, fp16=half and not bf16, use_cpu=not job.device.startswith("cuda"), ddp_backend="gloo" if PROCESSES > 1 and not job.device.startswith("cuda") else None,
        dataloader_num_workers=job.workers, dataloader_pin_memory=job.device.startswith("cuda"), ddp_find_unused_parameters=PROCESSES > 1,
        eval_strategy="epoch", save_strategy="epoch", logging_strategy="epoch", logging_nan_inf_filter=False, save_total_limit=3,
        metric_for_best_model=f"eval_{job.primary_metric}", greater_is_better=job.primary_metric_mode != "min",
        remove_unused_columns=False, label_names=["labels"], report_to="none", disable_tqdm=True,
    )


def freeze_backbone(model: torch.nn.Module) -> None:
    """Train only what turns features into classes; batch norms of the rest keep their statistics."""
    heads = ("visual_projection.", "logit_scale") if isinstance(model, ZeroShotCLIP) else tuple(models.head_of(model))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(heads))
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and not any(p.requires_grad for p in module.parameters()):
            module.register_forward_pre_hook(keep_statistics)


def keep_statistics(norm: torch.nn.Module, _inputs: Any) -> None:
    """Trainer puts the whole model into training mode at every step."""
    norm.eval()


def report_zero_shot(trainer: Trainer, callback: JobCallback, platform: Platform, prompt: str) -> None:
    """Tell how well the text alone classifies, before the image tower is tuned."""
    callback.quiet = True
    metrics = metrics_of({}, trainer.evaluate())
    callback.quiet = False
    platform.event("zero_shot_evaluated", f"Zero-shot accuracy before training: {metrics['accuracy']:.4f}", {"metrics": metrics, "prompts": templates(prompt)})


if __name__ == "__main__":
    launch(sys.argv[1:])
    run(main)
