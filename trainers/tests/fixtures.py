"""Tiny prepared datasets, as the agent's converters write them: drawn shapes on noise, a fixed seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle")
SIZE = 96
COLOURS = {"circle": (230, 40, 40), "square": (40, 200, 60), "triangle": (50, 80, 240)}


def _image(rng: np.random.Generator, shape: str) -> tuple[Image.Image, list[tuple[float, float]]]:
    """An image and the outline of the one shape on it, in pixels."""
    image = Image.fromarray(rng.integers(90, 150, (SIZE, SIZE, 3), dtype=np.uint8))
    side = int(rng.integers(34, 56))
    x, y = (int(v) for v in rng.integers(4, SIZE - side - 4, 2))
    draw = ImageDraw.Draw(image)
    if shape == "circle":
        draw.ellipse((x, y, x + side, y + side), fill=COLOURS[shape])
        angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        outline = [(x + side / 2 * (1 + np.cos(a)), y + side / 2 * (1 + np.sin(a))) for a in angles]
    elif shape == "square":
        outline = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
        draw.polygon(outline, fill=COLOURS[shape])
    else:
        outline = [(x + side / 2, y), (x + side, y + side), (x, y + side)]
        draw.polygon(outline, fill=COLOURS[shape])
    return image, outline


def _row(task: str, index: int, outline: list[tuple[float, float]]) -> str:
    points = np.array(outline) / SIZE
    low, high = points.min(0), points.max(0)
    box = [*((low + high) / 2), *(high - low)]
    if task == "instance_segmentation":
        values = points.flatten().tolist()
    elif task == "pose_estimation":  # three points of the outline, all visible
        values = [*box, *(v for i in (0, len(points) // 3, 2 * len(points) // 3) for v in (*points[i], 2))]
    else:
        values = box
    return " ".join([str(index), *(f"{v:.6g}" for v in values)])


def write_yolo(root: Path, task: str, train: int = 24, val: int = 8, backgrounds: int = 1) -> Path:
    """A YOLO dataset; every split ends with `backgrounds` images without objects."""
    rng = np.random.default_rng(7)
    for split, count in (("train", train), ("val", val)):
        images, labels = root / "images" / split / "a", root / "labels" / split / "a"
        images.mkdir(parents=True), labels.mkdir(parents=True)
        for i in range(count):
            index = i % len(SHAPES)
            image, outline = _image(rng, SHAPES[index])
            empty = i >= count - backgrounds
            if empty:
                image = Image.fromarray(rng.integers(90, 150, (SIZE, SIZE, 3), dtype=np.uint8))
            image.save(images / f"{i:03}.png")
            (labels / f"{i:03}.txt").write_text("" if empty else _row(task, index, outline) + "\n")
    lines = [f"path: {root}", "train: images/train", "val: images/val", f"nc: {len(SHAPES)}", "names:"]
    lines += [f'  {i}: "{name}"' for i, name in enumerate(SHAPES)]
    if task == "pose_estimation":
        lines += ["kpt_shape: [3, 3]", "flip_idx: [0, 2, 1]"]
    (root / "data.yaml").write_text("\n".join(lines) + "\n")
    _write_classes(root, task, "yolo", [{"index": i, "id": i, "name": name} for i, name in enumerate(SHAPES)])
    return root


def write_imagefolder(root: Path, train: int = 24, val: int = 9, classes: int = 3) -> Path:
    """An ImageFolder dataset whose folders are not the true names: the names come from classes.json."""
    rng = np.random.default_rng(7)
    for split, count in (("train", train), ("val", val)):
        for i in range(count):
            shape = SHAPES[i % classes]
            folder = root / split / f"{i % classes}-{shape}"
            folder.mkdir(parents=True, exist_ok=True)
            _image(rng, shape)[0].save(folder / f"{i:03}.png")
    entries = [{"index": i, "id": i + 10, "name": f"a {name}", "folder": f"{i}-{name}"} for i, name in enumerate(SHAPES[:classes])]
    _write_classes(root, "image_classification", "imagefolder", entries)
    return root


def write_coco(root: Path, train: int = 24, val: int = 9) -> Path:
    """A COCO dataset; the first image of a split has its mask as runs, the last is a background."""
    rng = np.random.default_rng(7)
    for split, count in (("train", train), ("val", val)):
        (root / "images" / split).mkdir(parents=True)
        images, annotations = [], []
        for i in range(count):
            index = i % len(SHAPES)
            image, outline = _image(rng, SHAPES[index])
            entry = {"id": i, "file_name": f"a/{i:03}.png", "width": SIZE, "height": SIZE}
            points = np.array(outline, float)
            low, size = points.min(0), np.ptp(points, 0)
            row = {"id": i + 1, "image_id": i, "category_id": index + 1, "bbox": [*low.tolist(), *size.tolist()], "area": float(size.prod()), "iscrowd": 0, "segmentation": [points.flatten().tolist()]}
            if i == 0:
                canvas = Image.new("1", (SIZE, SIZE))
                ImageDraw.Draw(canvas).polygon(outline, fill=1)
                row["segmentation"] = _runs(np.asarray(canvas))
            if i == count - 1:
                image = Image.fromarray(rng.integers(90, 150, (SIZE, SIZE, 3), dtype=np.uint8))
            else:
                annotations.append(row)
            path = root / "images" / split / entry["file_name"]
            path.parent.mkdir(exist_ok=True)
            image.save(path)
            images.append(entry)
        categories = [{"id": i + 1, "name": name, "supercategory": ""} for i, name in enumerate(SHAPES)]
        path = root / "annotations" / f"instances_{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    _write_classes(root, "semantic_segmentation", "coco", [{"index": i, "id": i, "name": name} for i, name in enumerate(SHAPES)])
    return root


def write_oriented(root: Path, train: int = 24, val: int = 9) -> Path:
    """A YOLO-OBB dataset: every row has the four corners of a rotated bar; a class is a colour."""
    rng = np.random.default_rng(7)
    for split, count in (("train", train), ("val", val)):
        images, labels = root / "images" / split, root / "labels" / split
        images.mkdir(parents=True), labels.mkdir(parents=True)
        for i in range(count):
            index = i % len(SHAPES)
            image = Image.fromarray(rng.integers(90, 150, (SIZE, SIZE, 3), dtype=np.uint8))
            angle, middle = rng.uniform(0, np.pi), rng.uniform(32, SIZE - 32, 2)
            along, across = np.array([np.cos(angle), np.sin(angle)]) * 28, np.array([-np.sin(angle), np.cos(angle)]) * 12
            corners = [middle + a * along + b * across for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
            ImageDraw.Draw(image).polygon([tuple(c) for c in corners], fill=COLOURS[SHAPES[index]])
            image.save(images / f"{i:03}.png")
            (labels / f"{i:03}.txt").write_text(f"{index} " + " ".join(f"{v:.6f}" for v in (np.array(corners) / SIZE).flatten()) + "\n")
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: {json.dumps(SHAPES)}\n")
    return root


def write_masks_on_disk(root: Path, train: int = 24, val: int = 9) -> Path:
    """Hugging Face Datasets as save_to_disk writes them: every image has a mask whose values are classes, 0 for none."""
    from datasets import DatasetDict

    DatasetDict({"train": _rows(7, train, mask=True), "validation": _rows(8, val, mask=True)}).save_to_disk(root)
    return root


def write_parquet(root: Path, train: int = 24, val: int = 9) -> Path:
    """Hugging Face Datasets as the hub has them: parquet files with an image and its objects."""
    (root / "data").mkdir(parents=True)
    for split, seed, count in (("train", 7, train), ("validation", 8, val)):
        _rows(seed, count, mask=False).to_parquet(root / "data" / f"{split}-00000-of-00001.parquet")
    return root


def _rows(seed: int, count: int, mask: bool) -> Any:
    from datasets import ClassLabel, Dataset, Features, List, Value
    from datasets import Image as Picture

    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for i in range(count):
        index = i % len(SHAPES)
        image, outline = _image(rng, SHAPES[index])
        low, size = np.min(outline, 0), np.ptp(outline, 0)
        canvas = Image.new("L", image.size)
        ImageDraw.Draw(canvas).polygon(outline, fill=index + 1)
        rows.append({"image": image, "annotation": canvas} if mask else {"image": image, "objects": {"bbox": [[*low.tolist(), *size.tolist()]], "category": [index]}})
    objects = {"bbox": List(List(Value("float32"), length=4)), "category": List(ClassLabel(names=list(SHAPES)))}
    return Dataset.from_list(rows, features=Features({"image": Picture(), **({"annotation": Picture()} if mask else {"objects": objects})}))


def _runs(mask: np.ndarray) -> dict[str, object]:
    """COCO's uncompressed runs: column by column, beginning with zeros."""
    flat = mask.T.flatten()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def _write_classes(root: Path, task: str, layout: str, classes: list[dict[str, object]]) -> None:
    (root / "classes.json").write_text(json.dumps({"task_type": task, "format": layout, "classes": classes}))
