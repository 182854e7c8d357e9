#!/usr/bin/env python3
"""Writes a small, real dataset in Platform Format: drawn shapes on textured, noisy backgrounds.

Same arguments, same bytes. Every annotation is exact, because it is computed from what was drawn:
boxes around the visible outline, the outline as a polygon, five keypoints in the shape's own frame.
Classification images hold one large shape; the other tasks one to four without overlap.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

TASKS = ("object_detection", "instance_segmentation", "pose_estimation", "image_classification")
CLASSES = ("circle", "square", "triangle", "star")
TINTS = ((225, 45, 45), (40, 200, 60), (55, 80, 235), (235, 205, 40))  # of CLASSES
KEYPOINTS = ("center", "top", "right_edge", "bottom", "left_edge")
PROGRESS_SECONDS = 2.0
ZIP_TIME = (2026, 1, 1, 0, 0, 0)  # a fixed time, so that equal datasets are equal archives


def unit_outline(name: str) -> list[tuple[float, float]]:
    """The outline of a shape of radius 1 around the origin, y downwards."""
    if name == "circle":
        return polygon(48, lambda _: 1.0)
    if name == "square":
        return [(-0.7, -0.7), (0.7, -0.7), (0.7, 0.7), (-0.7, 0.7)]
    if name == "triangle":
        return polygon(3, lambda _: 1.0)
    return polygon(10, lambda i: 1.0 if i % 2 == 0 else 0.45)


def polygon(corners: int, radius) -> list[tuple[float, float]]:
    angles = [(-math.pi / 2 + 2 * math.pi * i / corners, radius(i)) for i in range(corners)]
    return [(r * math.cos(a), r * math.sin(a)) for a, r in angles]


def place(points, center, radius: float, angle: float) -> list[tuple[float, float]]:
    """Turn by angle, scale by radius, move to center."""
    cos, sin = math.cos(angle), math.sin(angle)
    return [(center[0] + radius * (x * cos - y * sin), center[1] + radius * (x * sin + y * cos)) for x, y in points]


def background(rng: np.random.Generator, size: int) -> Image.Image:
    """Coarse coloured blotches, stripes and fine noise, so that no plain threshold finds the shapes."""
    cells = max(2, size // 24)
    coarse = rng.integers(60, 150, (cells, cells, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)
    y, x = np.mgrid[0:size, 0:size]
    wave = np.sin((x * math.cos(a := rng.uniform(0, math.pi)) + y * math.sin(a)) / rng.uniform(3, 9))
    image = image + 12 * wave[..., None] + rng.normal(0, 10, image.shape)
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def color(rng: np.random.Generator, tint: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """A bright or a dark colour, well apart from the middle grey of the backgrounds; or one near the tint."""
    if tint:
        return tuple(int(v) for v in np.clip(rng.normal(tint, 18), 0, 255))
    low, high = ((185, 256), (0, 45))[int(rng.integers(2))]
    return tuple(int(v) for v in rng.integers(low, high, 3))


def draw_shape(image: Image.Image, outline, fill) -> None:
    """Draw with smooth edges: four times as large, then shrunk."""
    factor = 4
    mask = Image.new("L", (image.width * factor, image.height * factor), 0)
    ImageDraw.Draw(mask).polygon([(x * factor, y * factor) for x, y in outline], fill=255)
    image.paste(fill, mask=mask.resize(image.size, Image.Resampling.BOX))


def annotate(task: str, class_id: int, outline, keypoints) -> dict:
    xs, ys = [p[0] for p in outline], [p[1] for p in outline]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    note = {"class_id": class_id, "class_name": CLASSES[class_id - 1], "bbox": [round(v, 2) for v in box]}
    if task == "instance_segmentation":
        note["segmentation"] = [[round(v, 2) for point in outline for v in point]]
    if task == "pose_estimation":
        note["keypoints"] = [v for x, y in keypoints for v in (round(x, 2), round(y, 2), 2)]
    return note


def objects(rng: np.random.Generator, task: str, size: int):
    """Yield (class id, center, radius, angle) of shapes that do not touch each other or the border."""
    taken: list[tuple[float, float, float]] = []
    single = task == "image_classification"
    count = 1 if single else int(rng.integers(1, 5))
    for _ in range(count * 20):
        if len(taken) == count:
            return
        radius = size * (rng.uniform(0.2, 0.35) if single else rng.uniform(0.1, 0.2))
        x, y = rng.uniform(radius + 2, size - radius - 2, 2)
        if any(math.dist((x, y), (ox, oy)) < radius + other + 3 for ox, oy, other in taken):
            continue
        taken.append((x, y, radius))
        turn = 0.35 if task == "pose_estimation" else math.pi  # keypoints keep their names only when upright
        yield int(rng.integers(1, len(CLASSES) + 1)), (x, y), radius, rng.uniform(-turn, turn)


def make_image(rng: np.random.Generator, task: str, size: int, tinted: bool) -> tuple[Image.Image, list[dict]]:
    image = background(rng, size)
    notes = []
    for class_id, center, radius, angle in objects(rng, task, size):
        unit = unit_outline(CLASSES[class_id - 1])
        outline = place(unit, center, radius, angle)
        draw_shape(image, outline, color(rng, TINTS[class_id - 1] if tinted else None))
        marks = [(0, 0), (0, min(y for _, y in unit)), (max(x for x, _ in unit), 0), (0, max(y for _, y in unit)), (min(x for x, _ in unit), 0)]
        notes.append(annotate(task, class_id, outline, place(marks, center, radius, angle)))
    return image.filter(ImageFilter.GaussianBlur(0.4)), notes


def make_dataset(out: Path, task: str, images: int, size: int, seed: int, dataset_id: str, tinted: bool) -> dict:
    folder = out / "images"
    folder.mkdir(parents=True, exist_ok=True)
    entries, shown = [], time.monotonic()
    for i in range(images):
        image, notes = make_image(np.random.default_rng([seed, i]), task, size, tinted)
        name = f"shape_{i:05d}.jpg"
        image.save(folder / name, quality=92)
        entry = {"id": i + 1, "file_name": name, "width": size, "height": size, "split": None}
        if task == "image_classification":
            entry["annotation"] = {"class_id": notes[0]["class_id"], "class_name": notes[0]["class_name"], "confidence": 1.0}
        else:
            entry["annotations"] = notes
        entries.append(entry)
        if time.monotonic() - shown >= PROGRESS_SECONDS:
            print(f"drawing: {i + 1} of {images} images", file=sys.stderr, flush=True)
            shown = time.monotonic()
    return {
        "format_version": "1.0", "dataset_id": dataset_id, "task_type": task,
        "classes": [class_entry(i, task) for i in range(len(CLASSES))],
        "images": entries, "storage_info": {"image_root": "images"},
    }


def class_entry(index: int, task: str) -> dict:
    entry = {"id": index + 1, "name": CLASSES[index], "supercategory": "shape"}
    if task == "pose_estimation":
        entry["keypoints"], entry["skeleton"] = list(KEYPOINTS), [[1, 2], [1, 3], [1, 4], [1, 5]]
    return entry


def make_zip(folder: Path, target: Path) -> None:
    """Pack the folder in a fixed order; images are stored, since JPEG does not shrink."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED if path.suffix == ".json" else zipfile.ZIP_STORED
            info.external_attr = 0o644 << 16
            archive.writestr(info, path.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS, default=TASKS[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for annotations.json and images/")
    parser.add_argument("--images", type=int, default=240, help="number of images")
    parser.add_argument("--size", type=int, default=160, help="width and height in pixels, at least 64")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--dataset-id", default="shapes")
    parser.add_argument("--tint", action="store_true", help="give each class a colour of its own, which few images suffice to learn")
    parser.add_argument("--zip", type=Path, help="also pack the dataset into this file")
    args = parser.parse_args()
    if args.images < 1 or args.size < 64:
        parser.error("--images must be at least 1 and --size at least 64")
    dataset = make_dataset(args.out, args.task, args.images, args.size, args.seed, args.dataset_id, args.tint)
    (args.out / "annotations.json").write_text(json.dumps(dataset, indent=1) + "\n", encoding="utf-8")
    if args.zip:
        make_zip(args.out, args.zip)
    total = sum(len(e.get("annotations", [None])) for e in dataset["images"])
    print(f"{args.images} images, {total} shapes of {len(CLASSES)} classes for {args.task} in {args.out}")


if __name__ == "__main__":
    main()
