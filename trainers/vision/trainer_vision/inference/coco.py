"""Objects as COCO's dictionaries, and COCO's own metrics of them by faster-coco-eval."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from trainer_sdk import JobError

from .predictor import Objects

MOST = 100  # detections an image that COCO measures
IOUS = np.linspace(0.5, 0.95, 10)  # COCO's thresholds
RECALLS = np.linspace(0, 1, 101)
# The spread of COCO's 17 points of a person; other skeletons get one spread for every point, as Ultralytics does.
PERSON = np.array([0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]) / 10
BODY = 0.53  # of a box is what stands in it: the scale of keypoints where no outline tells, as in Ultralytics
MISSING = "test runs of this task need faster-coco-eval: add faster-coco-eval==1.8.0 to the trainer's requirements.txt"
Overlap = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], np.ndarray]
KIND = {"B": "bbox", "M": "segm", "P": "keypoints"}


def annotations(objects: Objects, image: int, scored: bool, first: int = 1, crowd: int = 0) -> list[dict[str, Any]]:
    """COCO's annotations (with ids from `first`) or results of one image; category ids are class indices + 1."""
    rows = []
    for i, (box, index) in enumerate(zip(objects.boxes.tolist(), objects.classes.tolist(), strict=True)):
        x, y, w, h = box[0], box[1], box[2] - box[0], box[3] - box[1]
        row: dict[str, Any] = {"id": first + i, "image_id": image, "category_id": int(index) + 1, "bbox": [x, y, w, h], "area": w * h, "iscrowd": crowd}
        if objects.polygons is not None:
            ring = objects.polygons[i]
            row["segmentation"] = [np.ravel(ring).tolist()] if len(ring) >= 3 else [[x, y, x + w, y, x + w, y + h, x, y + h]]
            if len(ring) >= 3:
                row["area"] = area(ring)
        if objects.pixels is not None:
            row["segmentation"] = objects.pixels[i]
        if objects.keypoints is not None:
            points = objects.keypoints[i]
            row["keypoints"] = np.ravel(points).tolist()
            row["num_keypoints"] = int((points[:, 2] > 0).sum())
            row["area"] *= BODY
        if scored:
            row["score"] = float(objects.scores[i])
        rows.append(row)
    return rows


def runs(masks: np.ndarray) -> list[dict[str, Any]]:
    """Masks (n, h, w) in COCO's compressed form."""
    try:
        from faster_coco_eval.core import mask
    except ImportError:
        raise JobError(MISSING) from None
    return mask.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))


def area(ring: np.ndarray) -> float:
    """The area within an outline, by the shoelace formula."""
    x, y = ring[:, 0], ring[:, 1]
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def outlines_overlap(evaluation: Any, overlap: Overlap, image: int, category: int) -> Any:
    """What COCO's evaluation asks of one class in one image: a row for every detection, the most confident first."""
    labelled, found = (d.get_instances([image], [category], True)[0][0] for d in (evaluation.gt_dataset, evaluation.dt_dataset))
    if not labelled or not found:
        return []
    found = sorted(found, key=lambda row: -row["score"])[: evaluation.params.maxDets[-1]]
    rings = [[np.reshape(row["segmentation"][0], (-1, 2)) for row in rows] for rows in (found, labelled)]
    return overlap(*rings)


class CocoMetrics:
    """Average precision as COCO defines it: of boxes (B), outlines (M) or keypoints (P); of boxes by another overlap than theirs if one is given.

    Images are compared some hundreds at a time. What is kept of them is what faster-coco-eval found out, and no annotation.
    """

    def __init__(self, classes: int, kind: str, overlap: Overlap | None = None) -> None:
        self.kind, self.overlap = kind, overlap
        self.compared: list[list[Any]] = [[] for _ in range(classes)]  # of every class the images that have something of it
        self.params: Any = None

    def add(self, images: list[dict[str, Any]], labelled: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
        """Compare images that are whole: with all their annotations and all their detections."""
        pairs = {(row["category_id"], row["image_id"]) for row in (*labelled, *found)}
        if not pairs:
            return
        categories = sorted({category for category, _ in pairs})
        evaluation = self._evaluation({"info": {}, "images": images, "annotations": labelled, "categories": [{"id": c} for c in categories]}, found)
        evaluation.params.catIds = categories
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
        self.params = evaluation.params
        places = [(category, image) for category in categories for image in evaluation.params.imgIds]
        for place, one in zip(places, evaluation._evalImgs_cpp, strict=True):
            if place in pairs:
                self.compared[place[0] - 1].append(one)

    def precision(self) -> Precision:
        measured = [self._accumulated(compared) for compared in self.compared]
        return Precision(np.stack(measured, axis=2), RECALLS)

    def _evaluation(self, truth: dict[str, Any], found: list[dict[str, Any]]) -> Any:
        try:
            from faster_coco_eval import COCO, COCOeval_faster
        except ImportError:
            raise JobError(MISSING) from None
        with contextlib.redirect_stdout(io.StringIO()):
            labelled = COCO(truth)
            detected = labelled.loadRes(found) if found else COCO({**truth, "annotations": []})
            evaluation = COCOeval_faster(labelled, detected, KIND[self.kind], separate_eval=True)
        if self.overlap:
            evaluation.computeIoU = partial(outlines_overlap, evaluation, self.overlap)
        params = evaluation.params
        params.areaRng, params.areaRngLbl = params.areaRng[:1], params.areaRngLbl[:1]  # objects of any size
        params.maxDets = [MOST]
        if self.kind == "P":
            points = len((truth["annotations"] or found)[0]["keypoints"]) // 3
            params.kpt_oks_sigmas = PERSON if points == len(PERSON) else np.full(points, 1 / points)
        return evaluation

    def _accumulated(self, compared: list[Any]) -> np.ndarray:
        """(IoU thresholds, recalls) of one class; NaN where nothing is labelled."""
        if not compared:
            return np.full((len(IOUS), len(RECALLS)), np.nan)
        from faster_coco_eval import COCOeval_faster

        evaluation = COCOeval_faster(iouType=KIND[self.kind], separate_eval=True)
        params = copy.copy(self.params)
        params.catIds, params.imgIds = [1], list(range(len(compared)))
        evaluation._paramsEval, evaluation._evalImgs_cpp = params, compared
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.accumulate()
        precision = evaluation.eval["precision"][:, :, 0, 0, 0]
        return np.where(precision < 0, np.nan, precision)


@dataclass(frozen=True)
class Precision:
    """Precision over recall, (IoU thresholds, recalls, classes); NaN where nothing is labelled."""

    values: np.ndarray
    recalls: np.ndarray

    def ap(self, first: int | None = None) -> np.ndarray:
        """Of every class; with first=0 at an overlap of 0.5 alone."""
        chosen = self.values if first is None else self.values[first : first + 1]
        return np.array([float(chosen[:, :, c].mean()) for c in range(chosen.shape[2])])

    def curve(self, index: int) -> dict[str, list[float]]:
        """Precision over recall at an overlap of 0.5."""
        return {"precision": self.values[0, :, index].round(5).tolist(), "recall": self.recalls.round(5).tolist()}
