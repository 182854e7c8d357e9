"""The files that a job leaves: results.json, results.csv and predictions in COCO's form, written image by image."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from trainer_sdk import clean

from .coco import area
from .records import Classes

COLUMNS = ("image_path", "image_id", "class_id", "class_name", "confidence", "x1", "y1", "x2", "y2", "share", "error")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the wide ones too, which some spreadsheets read as the narrow ones
Records = Iterable[Mapping[str, Any]]


def write_results(target: Path, head: Mapping[str, Any], records: Records) -> None:
    """results.json: what is known of the job, then one record an image. Never more than one record in memory."""
    with _whole(target) as out:
        start = json.dumps(clean(head), ensure_ascii=False, indent=1)
        out.write(start.removesuffix("\n}") + ',\n "results": [')
        for i, record in enumerate(records):
            out.write((",\n  " if i else "\n  ") + json.dumps(record, ensure_ascii=False))
        out.write("\n ]\n}\n")


def write_csv(target: Path, records: Records) -> None:
    """A row an object, or of a classifier a row an image, or a row a class of a mask with its share of the pixels; an image without any has a row without a class."""
    with _whole(target) as out:
        rows = csv.writer(out)
        rows.writerow(COLUMNS)
        for record in records:
            image = [plain_text(record["image_path"]), plain_text(record["image_id"])]
            for found in _found(record) or [{}]:
                values = [*(plain_text(found.get(k)) for k in ("class_id", "class_name", "confidence")), *found.get("bbox", [None] * 4), found.get("share")]
                rows.writerow([*image, *values, plain_text(record.get("error"))])


def plain_text(value: Any) -> Any:
    """A spreadsheet calculates what begins like a formula: an apostrophe before it makes it text (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _found(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    answer = record["predictions"]
    if answer is None:
        return []
    if "boxes" in answer:
        return answer["boxes"]
    return answer.get("classes", [answer])  # of a mask, or of a classifier


def write_coco(folder: Path, classes: Classes, records: Iterable[Mapping[str, Any]], again: Iterable[Mapping[str, Any]]) -> None:
    """predictions.json is COCO's list of results; predictions.coco.json a whole dataset whose annotations are the predictions.

    COCO's ids are numbers: an image has the platform's where all of them are, else its place in results.json from 1 on, and
    of the classes alike. Images that could not be used are not in it.
    """
    categories = [{"id": number, "name": name} for number, name in zip(_numbers(classes.ids), classes.names, strict=True)]
    images = []
    for record in records:
        images.append({"id": record["image_id"], "file_name": record["image_path"], "width": record["width"], "height": record["height"], "usable": record["error"] is None})
    numbers = _numbers([image["id"] for image in images])
    for image, number in zip(images, numbers, strict=True):
        image["id"] = number
    images = [image for image in images if image.pop("usable")]  # one that could not be read has no size, which readers of COCO stumble over
    with _whole(folder / "predictions.json") as plain, _whole(folder / "predictions.coco.json") as whole:
        start = json.dumps({"info": {"description": "predictions"}, "images": images, "categories": categories}, ensure_ascii=False)
        whole.write(start.removesuffix("}") + ', "annotations": [')
        plain.write("[")
        for i, row in enumerate(_annotations(again, numbers, [c["id"] for c in categories])):
            before = ",\n" if i else "\n"
            whole.write(before + json.dumps({"id": i + 1, **row}))
            plain.write(before + json.dumps({k: v for k, v in row.items() if k not in {"iscrowd", "area", "num_keypoints"}}))
        whole.write("\n]}\n")
        plain.write("\n]\n")


def _numbers(ids: list[Any]) -> list[int]:
    usable = all(isinstance(i, int) and not isinstance(i, bool) and i >= 0 for i in ids) and len(set(ids)) == len(ids)
    return list(ids) if usable else list(range(1, len(ids) + 1))


def _annotations(records: Records, images: list[int], categories: list[int]) -> Iterator[dict[str, Any]]:
    for image, record in zip(images, records, strict=True):
        for found in _found(record):
            x1, y1, x2, y2 = found["bbox"]
            row = {"image_id": image, "category_id": categories[found["class_index"]], "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0, "score": found["confidence"]}
            if "segmentation" in found:
                ring = found["segmentation"][0]
                row["segmentation"] = found["segmentation"] if len(ring) >= 6 else [[x1, y1, x2, y1, x2, y2, x1, y2]]
                row["area"] = area(np.array(row["segmentation"][0]).reshape(-1, 2))
            if "keypoints" in found:
                row["keypoints"] = [v for point in found["keypoints"] for v in (point if len(point) == 3 else [*point, 2])]
                row["num_keypoints"] = len(found["keypoints"])
            yield row


class _whole:
    """A text file that appears when it is complete."""

    def __init__(self, target: Path) -> None:
        self.target, self.partial = target, target.with_name(f".{target.name}.tmp")

    def __enter__(self) -> TextIO:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.partial.open("w", encoding="utf-8", newline="")
        return self.file

    def __exit__(self, kind: object, *_: object) -> None:
        self.file.close()
        if kind is None:
            self.partial.replace(self.target)
