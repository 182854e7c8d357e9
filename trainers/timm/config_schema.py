"""The options of the timm trainer: `python config_schema.py` prints the schema as JSON.

Names are those of timm's own training script where it has one. What the job decides (epochs, batch
size, image size, learning rate, device) is no option.
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
    _field("select", "opt", "adamw", "optimizer", "optimizer; LEARNING_RATE is its rate after the warm-up", False, options=["sgd", "adam", "adamw", "nadam", "lamb", "lion", "rmsprop"]),
    _float("weight_decay", 0.05, 1.0, "optimizer", "weight decay; biases and norms have none", 0.001),
    _float("momentum", 0.9, 0.999, "optimizer", "momentum of sgd and rmsprop, beta1 of the others", 0.01),
    _float("layer_decay", 1.0, 1.0, "optimizer", "learning rate of a layer as a fraction of the next one's; 1 = the same for all", 0.01),
    _float("clip_grad", 0.0, 100.0, "optimizer", "largest norm of the gradient; 0 = no limit", 0.1),
    _field("select", "sched", "cosine", "schedule", "how the learning rate falls", False, options=["cosine", "poly", "step", "plateau", "none"]),
    _float("warmup_epochs", 0.0, 50.0, "schedule", "epochs in which the learning rate rises; at most a third of the training", 0.5),
    _float("min_lr", 0.0, 0.01, "schedule", "learning rate at the end", 1e-6),
    _int("decay_epochs", 10, 1, 1000, "schedule", "epochs between two steps, or without progress on a plateau"),
    _float("decay_rate", 0.1, 1.0, "schedule", "factor of a step"),
    _float("poly_power", 1.0, 5.0, "schedule", "power of the polynomial schedule; 1 = a straight line", 0.1),
    _field("select", "auto_augment", "none", "augmentation", "policy of random augmentations", False, options=["none", "rand-m7-mstd0.5-inc1", "rand-m9-mstd0.5-inc1", "augmix-m5-w4-d2", "original"]),
    _float("crop_scale_min", 0.35, 1.0, "augmentation", "smallest share of the image that a random crop keeps"),
    _float("hflip", 0.5, 1.0, "augmentation", "probability of a left-right flip", advanced=False),
    _float("vflip", 0.0, 1.0, "augmentation", "probability of an upside-down flip", advanced=False),
    _float("color_jitter", 0.3, 1.0, "augmentation", "strength of colour changes"),
    _float("reprob", 0.0, 1.0, "augmentation", "probability of random erasing"),
    _float("mixup", 0.0, 1.0, "augmentation", "alpha of mixup; 0 = off"),
    _float("cutmix", 0.0, 1.0, "augmentation", "alpha of CutMix; 0 = off"),
    _float("smoothing", 0.1, 0.5, "loss", "label smoothing", 0.01),
    _field("select", "loss", "cross_entropy", "loss", "bce: binary cross-entropy, each class by itself", options=["cross_entropy", "bce"]),
    _field("select", "class_weights", "none", "loss", "balanced: a rare class weighs more in the loss", False, options=["none", "balanced"]),
    _field("bool", "balanced_sampling", False, "training", "draw every class as often as the others; for one process", False),
    _field("bool", "ignore_background", False, "loss", "semantic_segmentation: pixels that no annotation covers count nowhere, in place of being a class of their own", False),
    _float("drop", 0.0, 0.9, "model", "dropout before the classifier"),
    _float("drop_path", 0.0, 0.9, "model", "stochastic depth, for models that have it"),
    _field("bool", "freeze_backbone", False, "model", "train the classifier only; batch norms of the backbone keep their statistics; wants pretrained weights", False),
    _field("bool", "model_ema", False, "model", "validate and save an exponential moving average of the weights", False),
    _float("model_ema_decay", 0.9998, 0.99999, "model", "decay of that average", 0.0001),
    _field("bool", "amp", True, "training", "mixed precision on a GPU; always off on CPU", False),
    _field("select", "amp_dtype", "float16", "training", "type of mixed precision; bfloat16 needs an Ampere GPU or newer", options=["float16", "bfloat16"]),
    _field("bool", "channels_last", False, "training", "memory layout that is faster on a GPU with mixed precision"),
    _int("grad_accum_steps", 1, 1, 256, "optimizer", "batches for one update"),
    _int("patience", 0, 0, 10000, "training", "stop after this many epochs without a better primary metric; 0 = never", False),
    _int("seed", 42, 0, 2**31 - 1, "training", "random seed"),
]

PRESETS: dict[str, dict[str, Any]] = {
    "easy": {"opt": "adamw", "sched": "cosine", "crop_scale_min": 0.7, "color_jitter": 0.1, "smoothing": 0.0},
    "medium": {"opt": "adamw", "sched": "cosine", "warmup_epochs": 3.0, "auto_augment": "rand-m7-mstd0.5-inc1", "reprob": 0.1},
    "advanced": {
        "opt": "adamw", "sched": "cosine", "warmup_epochs": 5.0, "auto_augment": "rand-m9-mstd0.5-inc1", "reprob": 0.25,
        "mixup": 0.2, "cutmix": 1.0, "drop_path": 0.1, "model_ema": True, "clip_grad": 1.0,
    },
}


def schema() -> dict[str, Any]:
    return {
        "framework": "timm",
        "description": "Options of the timm trainer; the job's own settings come from its environment",
        "version": "1.0.0",
        "fields": FIELDS,
        "presets": PRESETS,
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
