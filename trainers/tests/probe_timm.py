"""Trains a tiny timm model once for every field of the schema, each changed alone, in a process of its own.

Prints {"same": fields whose change left the training as it was, "amp": what amp asks for on a GPU}.
"""

import contextlib
import hashlib
import io
import json
import sys
import tempfile
from typing import Any
from unittest import mock

import torch
import train
from config_schema import FIELDS, PRESETS, schema
from options import changed
from trainer_sdk import Job, Platform, check_options

# What else a field needs to have an effect at all.
CONTEXT: dict[str, dict[str, Any]] = {
    "model_ema_decay": {"model_ema": True},
    "decay_epochs": {"sched": "step"},
    "decay_rate": {"sched": "step", "decay_epochs": 1},
    "warmup_epochs": {"sched": "cosine"},
    "poly_power": {"sched": "poly"},
}
VALUES = {"decay_epochs": 1, "clip_grad": 0.01, "momentum": 0.5, "layer_decay": 0.5, "model_ema_decay": 0.5, "patience": 1, "min_lr": 0.0009, "warmup_epochs": 0.5, "grad_accum_steps": 2}


def fingerprint(dataset: str, options: dict[str, Any], **env: str) -> str:
    """A digest of the weights and metrics after a short training."""
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()):
        job = Job.load((), {
            "TASK_TYPE": "image_classification", "MODEL_NAME": "test_vit", "DATASET_DIR": dataset, "OUTPUT_DIR": out, "EPOCHS": "3", "BATCH_SIZE": "8",
            "IMAGE_SIZE": "32", "NUM_WORKERS": "0", "LEARNING_RATE": "0.001", "CHECKPOINT_FREQUENCY": "0", "PRIMARY_METRIC": "learning_rate", **env,
        })
        training = train.Training(job, Platform(job), check_options(options, schema()))
        training.run()
    digest = hashlib.sha256(json.dumps(training.history).encode())
    for tensor in (training.average.module if training.average else training.model).state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def amp_on_gpu(options: dict[str, Any]) -> list[str]:
    """What a training on a GPU would use; there is none here, so only the decision is asked for."""
    training = mock.Mock(spec=train.Training)
    training.options, training.device = check_options(options, schema()), torch.device("cuda")
    training.amp = train.Training.uses_amp(training)
    with mock.patch.object(torch, "autocast") as autocast:
        train.Training.autocast(training)
    return [str(autocast.call_args.kwargs["dtype"]), str(autocast.call_args.kwargs["enabled"])]


torch.set_num_threads(1)
data = sys.argv[1]
same = []
plain = {json.dumps(c): fingerprint(data, c) for c in [{}, *CONTEXT.values()]}
assert fingerprint(data, {}) == plain["{}"], "two equal trainings differ"
for field in FIELDS:
    name = field["name"]
    if name in {"amp", "amp_dtype", "channels_last", "ignore_background"}:  # a GPU's, a layout that changes no number, and of another task
        continue
    context = CONTEXT.get(name, {})
    if fingerprint(data, {**context, name: VALUES.get(name, changed(field))}) == plain[json.dumps(context)]:
        same.append(name)
for setting, value in {"LEARNING_RATE": "0.002", "IMAGE_SIZE": "64", "BATCH_SIZE": "4", "EPOCHS": "2"}.items():
    if fingerprint(data, {}, **{setting: value}) == plain["{}"]:
        same.append(setting)
job = Job.load((), {"TASK_TYPE": "image_classification", "MODEL_NAME": "test_vit", "DATASET_DIR": data, "IMAGE_SIZE": "32", "NUM_WORKERS": "3"})
loaders = train.Training(job, Platform(job), check_options({}, schema()))
if (loaders.train_loader.num_workers, loaders.val_loader.num_workers) != (3, 3):
    same.append("NUM_WORKERS")
if train.Training(job, Platform(job), check_options({"channels_last": True}, schema())).layout is not torch.channels_last:
    same.append("channels_last")
for preset in PRESETS.values():
    check_options(preset, schema())
print(json.dumps({"same": same, "amp": [amp_on_gpu({}), amp_on_gpu({"amp": False, "amp_dtype": "bfloat16"})]}))
