"""The platform guide's own PlatformToYOLOConverter, straight, for a comparison of speed.

    port.py DATASET OUT [--polygons]

Split as its apply_split does. Labels, lists and data.yaml are written, no image
links: the guide's converter makes none.
"""

import json
import random
import sys
from pathlib import Path


def row(a, img, index, polygons):
    w, h = img["width"], img["height"]
    if polygons:
        ring = a["segmentation"][0]
        points = " ".join(f"{ring[i] / w:.6f} {ring[i + 1] / h:.6f}" for i in range(0, len(ring), 2))
        return f"{index[a['class_id']]} {points}"
    x, y, bw, bh = a["bbox"]
    return f"{index[a['class_id']]} {(x + bw / 2) / w:.6f} {(y + bh / 2) / h:.6f} {bw / w:.6f} {bh / h:.6f}"


def main():
    root, out, polygons = Path(sys.argv[1]), Path(sys.argv[2]), "--polygons" in sys.argv
    with open(root / "annotations.json") as f:
        data = json.load(f)
    index = {c["id"]: i for i, c in enumerate(data["classes"])}
    random.seed(42)
    shuffled = data["images"].copy()
    random.shuffle(shuffled)
    cut = int(len(shuffled) * 0.8)
    for split, images in (("train", shuffled[:cut]), ("val", shuffled[cut:])):
        labels = out / "labels" / split
        labels.mkdir(parents=True)
        for img in images:
            with open(labels / f"{Path(img['file_name']).stem}.txt", "w") as f:
                for a in img["annotations"]:
                    if not polygons or a.get("segmentation"):
                        f.write(row(a, img, index, polygons) + "\n")
        with open(out / f"{split}.txt", "w") as f:
            for img in images:
                f.write(f"{root}/images/{img['file_name']}\n")


main()
