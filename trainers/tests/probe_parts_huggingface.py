"""What a training with the Hugging Face trainer hides: how CLIP's temperature is treated, what a frozen backbone keeps, what val_loss is; prints JSON.

The folder of the trainer is on PYTHONPATH.
"""

import json
import math
import tempfile
from pathlib import Path
from types import SimpleNamespace

import offline  # noqa: F401
import classification
import numpy as np
import torch
import train
from clip import ZeroShotCLIP
from models import CONFIGS
from reports import JobCallback, metrics_of
from trainer_sdk import Job, Platform
from transformers import EvalPrediction, ResNetConfig, ResNetForImageClassification, TrainingArguments

torch.manual_seed(0)
job, names = Job.load((), {}), ["a", "b", "c"]
val = SimpleNamespace(root=Path("/val"), samples=[(f"/val/{i}.png", i) for i in range(3)])


def temperature() -> tuple[list[float], float]:
    """The weight decay of logit_scale and of the projection; and logit_scale after a step that left it at 6."""
    model, callback = ZeroShotCLIP(CONFIGS["clip-vit-tiny-patch16"](32)), JobCallback(job, Platform(job, rank=1), 0)
    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(output_dir=out, use_cpu=True, weight_decay=0.01, report_to="none", disable_tqdm=True)
        trainer = classification.trainer(names, val, callback, {}, model=model, args=arguments)
    trainer.create_optimizer()
    decays = [next(g["weight_decay"] for g in trainer.optimizer.param_groups if any(p is one for p in g["params"])) for one in (model.logit_scale, model.visual_projection.weight)]
    model.logit_scale.data.fill_(6.0)
    trainer.state.max_steps = 1
    trainer.callback_handler.on_step_end(trainer.args, trainer.state, trainer.control)
    return decays, model.logit_scale.item()


def changed_by_a_batch(frozen: bool) -> int:
    """How many of the backbone's buffers and weights are others after a batch in training mode."""
    model = ResNetForImageClassification(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=3))
    if frozen:
        train.freeze_backbone(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    model(pixel_values=torch.randn(2, 3, 32, 32))
    return sum(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


def losses() -> tuple[float, float]:
    """val_loss as it is reported, whatever loss the training has; and the cross-entropy by the images."""
    callback, logits = JobCallback(job, Platform(job, rank=1), 0), np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    measured = classification.measuring(names, val, callback)(EvalPrediction(predictions=logits, label_ids=np.arange(3)))
    told = metrics_of({}, {"eval_loss": 99.0, **{f"eval_{key}": value for key, value in measured.items()}})
    confidences = [next(c["confidence"] for c in i["predictions"]["top5"] if c["class_id"] == i["ground_truth"]["class_id"]) for i in callback.results.images()]
    assert 99.0 not in told.values()
    return told["val_loss"], sum(-math.log(c) for c in confidences) / 3


print(json.dumps({"temperature": temperature(), "changed": [changed_by_a_batch(frozen) for frozen in (False, True)], "losses": losses()}))
