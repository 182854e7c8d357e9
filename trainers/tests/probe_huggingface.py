"""Trains a tiny model of transformers once for every field of the schema, each changed alone, in a process of its own.

Prints {"same": fields whose change left the training as it was, "amp": precision asked for on a GPU}.
"""

import contextlib
import hashlib
import io
import json
import sys
import tempfile
from typing import Any
from unittest import mock

import models
import torch
import train
from config_schema import FIELDS, PRESETS, schema
from options import changed
from trainer_sdk import Job, Platform, check_options
from transformers import set_seed

models.CONFIGS["vit-test"] = models._vit(32, 2, layers=2)
VALUES = {"max_grad_norm": 0.001, "adam_beta1": 0.5, "gradient_accumulation_steps": 2, "warmup_ratio": 0.5}


def fingerprint(dataset: str, options: dict[str, Any], **env: str) -> str:
    """A digest of the weights and metrics after a short training."""
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        job = Job.load((), {
            "TASK_TYPE": "image_classification", "MODEL_NAME": "vit-test", "DATASET_DIR": dataset, "OUTPUT_DIR": out, "EPOCHS": "2", "BATCH_SIZE": "8",
            "IMAGE_SIZE": "32", "NUM_WORKERS": "0", "LEARNING_RATE": "0.001", "PRIMARY_METRIC": "accuracy_top5", **env,
        })
        checked = check_options(options, schema())
        set_seed(checked["seed"])
        trainer, callback = train.build_trainer(job, Platform(job), checked)
        trainer.args.save_strategy = "no"
        trainer.train()
    digest = hashlib.sha256(json.dumps(callback.history).encode())
    for tensor in trainer.model.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def checkpointed(value: bool, dataset: str) -> bool:
    """Activation checkpointing changes memory, never the result: whether transformers was told to."""
    job = Job.load((), {"DATASET_DIR": dataset, "OUTPUT_DIR": tempfile.gettempdir()})
    return bool(train.training_arguments(job, check_options({"activation_checkpointing": value}, schema())).activation_checkpointing)


def precision_on_gpu(amp: bool) -> list[bool]:
    """bf16 and fp16 of the arguments for a GPU; there is none here, so only the arguments are asked for."""
    job = Job.load((), {"DEVICE": "cuda", "OUTPUT_DIR": tempfile.gettempdir()})
    with mock.patch.object(train, "TrainingArguments") as arguments, mock.patch.object(torch.cuda, "is_bf16_supported", return_value=True):
        train.training_arguments(job, check_options({"amp": amp}, schema()))
    return [arguments.call_args.kwargs["bf16"], arguments.call_args.kwargs["fp16"]]


torch.set_num_threads(1)
data = sys.argv[1]
plain = fingerprint(data, {})
assert fingerprint(data, {}) == plain, "two equal trainings differ"
same = [f["name"] for f in FIELDS if f["name"] not in {"amp", "activation_checkpointing", "momentum", "patience", "ignore_background"} and f["name"] != "prompt" and fingerprint(data, {f["name"]: VALUES.get(f["name"], changed(f))}) == plain]
if fingerprint(data, {"patience": 1}, EPOCHS="4") == fingerprint(data, {}, EPOCHS="4"):
    same.append("patience")
if fingerprint(data, {"optim": "sgd", "momentum": 0.5}) == fingerprint(data, {"optim": "sgd"}):
    same.append("momentum")
clip = {"TASK_TYPE": "zero_shot_classification", "MODEL_NAME": "clip-vit-tiny-patch16"}
if fingerprint(data, {"prompt": "a drawing of a {}"}, **clip) == fingerprint(data, {}, **clip):
    same.append("prompt")
same += [name for name, value in {"LEARNING_RATE": "0.002", "IMAGE_SIZE": "64", "BATCH_SIZE": "4", "EPOCHS": "1"}.items() if fingerprint(data, {}, **{name: value}) == plain]
if [checkpointed(True, data), checkpointed(False, data)] != [True, False]:
    same.append("activation_checkpointing")
arguments = train.training_arguments(Job.load((), {"NUM_WORKERS": "3", "OUTPUT_DIR": tempfile.gettempdir()}), check_options({}, schema()))
if arguments.dataloader_num_workers != 3:
    same.append("NUM_WORKERS")
assert arguments.report_to == [], "a tracker would be told"
for preset in PRESETS.values():
    check_options(preset, schema())
print(json.dumps({"same": same, "amp": [precision_on_gpu(True), precision_on_gpu(False)]}))
