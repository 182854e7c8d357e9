"""The options of the Ultralytics trainer: `python config_schema.py` prints the schema as JSON.

Every field is an argument of Ultralytics itself, under its own name; train.py passes it on.
What the job decides (epochs, batch size, image size, learning rate, device) is no option.
"""

from __future__ import annotations

import json
from typing import Any

AUGMENTATION = "augmentation"
OPTIMIZER = "optimizer"
TRAINING = "training"


def _number(kind: str, name: str, default: float, low: float, high: float, step: float, group: str, text: str, advanced: bool = True) -> dict[str, Any]:
    return {
        "name": name, "type": kind, "default": default, "min": low, "max": high, "step": step,
        "description": text, "group": group, "required": False, "advanced": advanced,
    }


def _select(name: str, default: Any, options: list[Any], group: str, text: str, advanced: bool = True) -> dict[str, Any]:
    return {
        "name": name, "type": "select", "default": default, "options": options,
        "description": text, "group": group, "required": False, "advanced": advanced,
    }


def _flag(name: str, default: bool, group: str, text: str, advanced: bool = True) -> dict[str, Any]:
    return {"name": name, "type": "bool", "default": default, "description": text, "group": group, "required": False, "advanced": advanced}


FIELDS: list[dict[str, Any]] = [
    _select("optimizer", "AdamW", ["auto", "SGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSProp", "MuSGD"], OPTIMIZER, "optimizer; LEARNING_RATE is its initial rate, but for auto, with which Ultralytics chooses both", False),
    _number("float", "lrf", 0.01, 0.0, 1.0, 0.001, OPTIMIZER, "final learning rate as a fraction of the initial one"),
    _flag("cos_lr", False, OPTIMIZER, "cosine schedule in place of the linear one", False),
    _number("float", "momentum", 0.937, 0.0, 0.999, 0.001, OPTIMIZER, "momentum of SGD, beta1 of Adam"),
    _number("float", "weight_decay", 0.0005, 0.0, 0.1, 0.0001, OPTIMIZER, "L2 regularisation"),
    _number("float", "warmup_epochs", 3.0, 0.0, 20.0, 0.5, OPTIMIZER, "epochs in which the learning rate rises"),
    _number("float", "warmup_bias_lr", 0.0, 0.0, 0.2, 0.01, OPTIMIZER, "learning rate from which biases start in the warm-up; Ultralytics' 0.1 is for SGD"),
    _number("int", "nbs", 64, 1, 1024, 1, OPTIMIZER, "nominal batch size: gradients are accumulated up to it"),
    _number("int", "patience", 100, 0, 10000, 1, TRAINING, "stop after this many epochs without a better primary metric; 0 = never", False),
    _number("int", "seed", 42, 0, 2**31 - 1, 1, TRAINING, "random seed"),
    _flag("deterministic", True, TRAINING, "only deterministic algorithms; somewhat slower"),
    _flag("amp", True, TRAINING, "mixed precision on a GPU; always off on CPU", False),
    _number("int", "freeze", 0, 0, 30, 1, TRAINING, "number of leading layers that stay fixed"),
    _flag("plots", False, TRAINING, "draw Ultralytics' own plots into the run folder"),
    _number("float", "dropout", 0.0, 0.0, 0.9, 0.05, TRAINING, "dropout of the classification head"),
    _number("int", "close_mosaic", 10, 0, 1000, 1, AUGMENTATION, "no mosaic in the last epochs"),
    _number("float", "mosaic", 1.0, 0.0, 1.0, 0.1, AUGMENTATION, "probability of mosaic", False),
    _number("float", "mixup", 0.0, 0.0, 1.0, 0.1, AUGMENTATION, "probability of MixUp", False),
    _number("float", "copy_paste", 0.0, 0.0, 1.0, 0.1, AUGMENTATION, "probability of copy-paste (segmentation)"),
    _number("float", "fliplr", 0.5, 0.0, 1.0, 0.1, AUGMENTATION, "probability of a left-right flip", False),
    _number("float", "flipud", 0.0, 0.0, 1.0, 0.1, AUGMENTATION, "probability of an upside-down flip", False),
    _number("float", "degrees", 0.0, 0.0, 180.0, 1.0, AUGMENTATION, "rotation, ± degrees"),
    _number("float", "translate", 0.1, 0.0, 1.0, 0.05, AUGMENTATION, "shift, ± fraction of the image"),
    _number("float", "scale", 0.5, 0.0, 1.0, 0.05, AUGMENTATION, "zoom, ± fraction"),
    _number("float", "shear", 0.0, 0.0, 45.0, 1.0, AUGMENTATION, "shear, ± degrees"),
    _number("float", "perspective", 0.0, 0.0, 0.001, 0.0001, AUGMENTATION, "perspective"),
    _number("float", "hsv_h", 0.015, 0.0, 1.0, 0.005, AUGMENTATION, "hue, ± fraction"),
    _number("float", "hsv_s", 0.7, 0.0, 1.0, 0.05, AUGMENTATION, "saturation, ± fraction"),
    _number("float", "hsv_v", 0.4, 0.0, 1.0, 0.05, AUGMENTATION, "brightness, ± fraction"),
    _number("float", "erasing", 0.4, 0.0, 0.9, 0.05, AUGMENTATION, "probability of random erasing (classification)"),
    _number("float", "box", 7.5, 0.0, 100.0, 0.1, "loss", "weight of the box loss"),
    _number("float", "cls", 0.5, 0.0, 100.0, 0.1, "loss", "weight of the class loss"),
    _number("float", "dfl", 1.5, 0.0, 100.0, 0.1, "loss", "weight of the distribution focal loss"),
]

PRESETS: dict[str, dict[str, Any]] = {
    "easy": {"optimizer": "AdamW", "mosaic": 1.0, "patience": 50},
    "medium": {"optimizer": "AdamW", "cos_lr": True, "mosaic": 1.0, "mixup": 0.1, "patience": 50},
    "advanced": {"optimizer": "SGD", "warmup_bias_lr": 0.1, "cos_lr": True, "mosaic": 1.0, "mixup": 0.15, "copy_paste": 0.1, "degrees": 5.0, "patience": 100},
}


def schema() -> dict[str, Any]:
    return {
        "framework": "ultralytics",
        "description": "Options of Ultralytics YOLO; the job's own settings come from its environment",
        "version": "1.0.0",
        "fields": FIELDS,
        "presets": PRESETS,
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
