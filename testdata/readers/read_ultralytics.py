"""Read prepared datasets with Ultralytics and print what it sees.

Standard input: a JSON list of {"name", "task", "dir", "config"}. Standard output:
a JSON object, by name, of class names and, by split, Ultralytics' own counts.
One process reads all of them, because importing torch takes seconds.
"""

import contextlib
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")

with contextlib.redirect_stdout(sys.stderr):
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import ClassificationDataset, YOLODataset
    from ultralytics.data.utils import check_cls_dataset, check_det_dataset, load_dataset_cache_file


def read_labels(item):
    data = check_det_dataset(item["config"], autodownload=False)
    out = {"names": [data["names"][i] for i in range(len(data["names"]))], "splits": {}}
    for split in ("train", "val", "test"):
        if not data.get(split):
            continue
        dataset = YOLODataset(img_path=data[split], data=data, task=item["task"], imgsz=64, augment=False)
        cache = load_dataset_cache_file(Path(dataset.label_files[0]).parent.with_suffix(".cache"))
        found, missing, empty, corrupt, total = cache["results"]
        root = Path(data[split])
        out["splits"][split] = {
            "found": found, "missing": missing, "empty": empty, "corrupt": corrupt, "total": total,
            "instances": sum(len(label["cls"]) for label in dataset.labels),
            "segments": sum(len(label["segments"]) for label in dataset.labels),
            "messages": cache["msgs"],
            "shapes": {os.path.relpath(label["im_file"], root): list(label["shape"]) for label in dataset.labels},
            "rows": {
                os.path.relpath(label["im_file"], root): [
                    [float(c[0]), *map(float, box)] for c, box in zip(label["cls"], label["bboxes"], strict=True)
                ]
                for label in dataset.labels
            },
        }
        dataset[0]  # the image decodes and its labels go through the transforms
    return out


def read_classes(item):
    data = check_cls_dataset(item["dir"])
    out = {"names": [data["names"][i] for i in range(len(data["names"]))], "splits": {}}
    for split in ("train", "val", "test"):
        if not data.get(split):
            continue
        dataset = ClassificationDataset(str(data[split]), args=get_cfg(overrides={"imgsz": 64}), augment=False, prefix=split)
        out["splits"][split] = {
            "total": len(dataset.samples),
            "labels": {os.path.relpath(s[0], data[split]): int(s[1]) for s in dataset.samples},
        }
        dataset[0]
    return out


def main():
    results = {}
    with contextlib.redirect_stdout(sys.stderr):
        for item in json.load(sys.stdin):
            read = read_classes if item["task"] == "classify" else read_labels
            results[item["name"]] = read(item)
    json.dump(results, sys.stdout)


main()
