"""Writes the tables beside this file, with the library that people write theirs with (datasets 5.2)."""

import pathlib

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value
from PIL import Image as Picture

HERE = pathlib.Path(__file__).parent
CLASSES = ClassLabel(names=["cat", "dog"])
FEATURES = Features({
    "image": Image(), "label": CLASSES, "mask": Image(),
    "objects": {"bbox": List(List(Value("float32"), length=4)), "category": List(ClassLabel(names=["left", "right"]))},
})


def dataset(count: int, shade: int) -> Dataset:
    boxes = [[[1, 2, 3, 4]] * (i % 3) for i in range(count)]
    return Dataset.from_dict({
        "image": [Picture.fromarray(np.full((8, 8, 3), shade + 20 * i, np.uint8)) for i in range(count)],
        "label": [i % 2 for i in range(count)],
        "mask": [Picture.fromarray(np.full((8, 8), i % 2, np.uint8)) for i in range(count)],
        "objects": [{"bbox": b, "category": [1] * len(b)} for b in boxes],
    }, features=FEATURES)


splits = DatasetDict({"train": dataset(4, 0), "test": dataset(2, 120)})
splits.save_to_disk(HERE / "saved")
(HERE / "parquet/data").mkdir(parents=True, exist_ok=True)
for name, part in splits.items():
    part.to_parquet(HERE / f"parquet/data/{name}-00000-of-00001.parquet")
