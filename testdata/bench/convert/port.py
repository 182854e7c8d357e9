"""The platform guide's own PlatformToYOLOConverter, straight, for a comparison of speed.

    port.py DATASET OUT [--polygons] [--links]

Its five steps, in its order, with its apply_split (auto, 0.8 to 0.2, seed 42). Two
things that it leaves open are filled in the cheapest way: the annotations of an image
are those that stand in it, and a row is one f-string. Like the guide's it makes no
image links and looks at no image; with --links it makes the links that the agent
makes.
"""

import json
import os
import random
import sys
from pathlib import Path

import yaml


def apply_split(images):
    random.seed(42)
    shuffled = images.copy()
    random.shuffle(shuffled)
    cut = int(len(shuffled) * 0.8)
    splits = {}
    for img in shuffled[:cut]:
        splits[img["id"]] = "train"
    for img in shuffled[cut:]:
        splits[img["id"]] = "val"
    return splits


def row(a, img, index, polygons):
    w, h = img["width"], img["height"]
    if polygons:
        ring = a["segmentation"][0]
        points = " ".join(f"{ring[i] / w:.6f} {ring[i + 1] / h:.6f}" for i in range(0, len(ring), 2))
        return f"{index[a['class_id']]} {points}"
    x, y, bw, bh = a["bbox"]
    return f"{index[a['class_id']]} {(x + bw / 2) / w:.6f} {(y + bh / 2) / h:.6f} {bw / w:.6f} {bh / h:.6f}"


def link(images, root, folder):
    folder.mkdir(parents=True)
    for img in images:
        os.link(f"{root}/images/{img['file_name']}", f"{folder}/{img['file_name']}")


def convert(data, root, out, polygons, links):
    index = {c["id"]: i for i, c in enumerate(data["classes"])}
    splits = apply_split(data["images"])
    train = [img for img in data["images"] if splits.get(img["id"]) == "train"]
    val = [img for img in data["images"] if splits.get(img["id"]) == "val"]
    for split, images in (("train", train), ("val", val)):
        labels = out / "labels" / split
        labels.mkdir(parents=True)
        for img in images:
            with open(labels / f"{Path(img['file_name']).stem}.txt", "w") as f:
                for a in img["annotations"]:
                    if not polygons or a.get("segmentation"):
                        f.write(row(a, img, index, polygons) + "\n")
        if links:
            link(images, root, out / "images" / split)
    for split, images in (("train", train), ("val", val)):
        with open(out / f"{split}.txt", "w") as f:
            for img in images:
                f.write(f"{root}/images/{img['file_name']}" + "\n")
    with open(out / "data.yaml", "w") as f:
        yaml.dump({"path": str(root), "train": "train.txt", "val": "val.txt", "nc": len(index),
                   "names": [c["name"] for c in data["classes"]]}, f)


def main():
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    with open(root / "annotations.json") as f:
        data = json.load(f)
    convert(data, root, out, "--polygons" in sys.argv, "--links" in sys.argv)


main()
