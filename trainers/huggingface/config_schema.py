"""The options of the Hugging Face trainer: `python config_schema.py` prints the schema as JSON.

Names are those of transformers' TrainingArguments where it has one. What the job decides (epochs,
batch size, image size, learning rate, device) is no option.
"""

from __future__ import annotations

import json
from typing import Any


def _field(kind: str, name: str, default: Any, group: str, text: str, advanced: bool = True, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "default": default, **more, "description": text, "group": group, "required": False, "advanced": advanced}


def _float(name: str, default: float, high: float, group: str, text: str, step: float = 0.05, advanced: bool = True) -> dict[str, Any]:
    return _field("float", name, default, group, text, advanced, min=0.0, max=high, step=step)


def _int(name: str, default: int, low: int, high: int, group: str, text: str, advanced: bool = True) -> dict[str, Any]:
    return _field("int", name, default, group, text, advanced, min=low, max=high, step=1)


FIELDS: list[dict[str, Any]] = [
    _field("select", "optim", "adamw_torch", "optimizer", "optimizer; LEARNING_RATE is its rate after the warm-up", False, options=["adamw_torch", "sgd", "adafactor", "rmsprop"]),
    _float("weight_decay", 0.01, 1.0, "optimizer", "weight decay; biases and norms have none", 0.001),
    _float("adam_beta1", 0.9, 0.999, "optimizer", "beta1 of AdamW", 0.01),
    _float("momentum", 0.9, 0.999, "optimizer", "momentum of sgd and rmsprop", 0.01),
    _float("max_grad_norm", 1.0, 100.0, "optimizer", "largest norm of the gradient; 0 = no limit", 0.1),
    _int("gradient_accumulation_steps", 1, 1, 256, "optimizer", "batches for one update"),
    _field("select", "lr_scheduler_type", "cosine", "schedule", "how the learning rate falls", False, options=["linear", "cosine", "polynomial", "constant", "constant_with_warmup"]),
    _float("warmup_ratio", 0.0, 0.5, "schedule", "share of the training in which the learning rate rises", 0.01),
    _field("select", "auto_augment", "none", "augmentation", "policy of random augmentations", False, options=["none", "randaugment", "trivialaugment"]),
    _float("crop_scale_min", 0.35, 1.0, "augmentation", "smallest share of the image that a random crop keeps"),
    _float("hflip", 0.5, 1.0, "augmentation", "probability of a left-right flip", advanced=False),
    _float("color_jitter", 0.0, 1.0, "augmentation", "strength of colour changes"),
    _float("reprob", 0.0, 1.0, "augmentation", "probability of random erasing"),
    _float("label_smoothing_factor", 0.0, 0.5, "loss", "label smoothing", 0.01),
    _field("bool", "ignore_background", False, "loss", "semantic_segmentation: pixels that no annotation covers count nowhere, in place of being a class of their own", False),
    _field("bool", "freeze_backbone", False, "model", "train the classifier only (CLIP: its image projection); batch norms of the backbone keep their statistics; wants pretrained weights", False),
    _field("bool", "activation_checkpointing", False, "model", "less memory for more time"),
    _field("string", "prompt", "a photo of a {}", "model", "text for a class of zero_shot_classification; {} is its name; several templates are divided by |, and a class is their mean", False),
    _field("bool", "amp", True, "training", "mixed precision on a GPU; always off on CPU", False),
    _int("patience", 0, 0, 10000, "training", "stop after this many epochs without a better primary metric; 0 = never", False),
    _int("seed", 42, 0, 2**31 - 1, "training", "random seed"),
]

PRESETS: dict[str, dict[str, Any]] = {
    "easy": {"lr_scheduler_type": "cosine", "freeze_backbone": True},
    "medium": {"lr_scheduler_type": "cosine", "warmup_ratio": 0.05, "auto_augment": "trivialaugment"},
    "advanced": {"lr_scheduler_type": "cosine", "warmup_ratio": 0.1, "auto_augment": "randaugment", "reprob": 0.25, "label_smoothing_factor": 0.1, "weight_decay": 0.05},
}


def schema() -> dict[str, Any]:
    return {
        "framework": "huggingface",
        "description": "Options of the Hugging Face trainer; the job's own settings come from its environment",
        "version": "1.0.0",
        "fields": FIELDS,
        "presets": PRESETS,
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
