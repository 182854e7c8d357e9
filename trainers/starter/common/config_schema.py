"""The user's options: `python config_schema.py` prints the schema as JSON, and the platform makes a form of it.

train.py gets the values with check_options(job.options, schema()); an unknown key is an error that
lists the valid ones. What the job decides (epochs, batch size, image size, learning rate) is no option.
"""

from __future__ import annotations

import json
from typing import Any

FIELDS: list[dict[str, Any]] = [
    {
        "name": "momentum", "type": "float", "default": 0.9, "min": 0.0, "max": 0.99, "step": 0.01,
        "description": "share of the last update that goes into the next", "group": "optimizer", "required": False, "advanced": True,
    },
    {
        "name": "weight_decay", "type": "float", "default": 0.0005, "min": 0.0, "max": 0.1, "step": 0.0001,
        "description": "pull of every weight towards zero", "group": "optimizer", "required": False, "advanced": True,
    },
    {
        "name": "flip", "type": "bool", "default": True,
        "description": "mirror half of the training images", "group": "augmentation", "required": False, "advanced": False,
    },
    {
        "name": "seed", "type": "int", "default": 42, "min": 0, "max": 2**31 - 1, "step": 1,
        "description": "random seed: the same seed gives the same training", "group": "training", "required": False, "advanced": True,
    },
]

PRESETS: dict[str, dict[str, Any]] = {
    "easy": {},
    "medium": {"weight_decay": 0.001},
    "advanced": {"weight_decay": 0.005, "momentum": 0.95},
}


def schema() -> dict[str, Any]:
    return {
        "framework": "my-trainer",
        "description": "Options of my-trainer; the job's own settings come from its environment",
        "version": "1.0.0",
        "fields": FIELDS,
        "presets": PRESETS,
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
