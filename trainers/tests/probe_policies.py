"""Puts 10,000 images through every policy of augmentation of a classifier's trainer, whose folder is on PYTHONPATH: none of its chances ends a training."""

import random
from importlib.util import find_spec
from typing import Any

import config_schema
import numpy as np
import torch
from PIL import Image
from trainer_sdk import check_options

options: list[dict[str, Any]] = [
    check_options({"auto_augment": policy}, config_schema.schema()) for policy in next(f for f in config_schema.FIELDS if f["name"] == "auto_augment")["options"]
]
smallest = check_options({"auto_augment": "none", "color_jitter": 0.0, "reprob": 0.0, "crop_scale_min": 0.0}, config_schema.schema())
if find_spec("augmentation"):
    import augmentation

    config = {"input_size": (3, 16, 16), "interpolation": "bilinear", "mean": (0.5,) * 3, "std": (0.5,) * 3}
    transforms = [augmentation.train_transform(config, chosen) for chosen in options]
    least = augmentation.train_transform(config, smallest)
else:
    import preprocessing

    how = preprocessing.Preprocessing(16, None, 2, *preprocessing.HALF)
    transforms = [preprocessing.train_transform(how, chosen) for chosen in options]
    least = preprocessing.train_transform(how, smallest)
random.seed(0)
torch.manual_seed(0)
image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8))
for transform in transforms:
    for _ in range(10_000):
        transform(image)
for size in ((1, 1), (2, 2), (1, 40), (40, 1), (5, 5)):
    white = Image.new("RGB", size, "white")
    assert all(least(white).min() > 0.99 for _ in range(1000)), f"an image of {size} pixels is cut to nothing"
