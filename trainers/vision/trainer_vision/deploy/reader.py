"""metadata.json read by itself: an image prepared as it says, outputs turned into answers as it says. Needs numpy and Pillow; outlines need cv2.

Nothing but the metadata and the file's outputs is used, so what stands in it is proven whenever an export is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..inference import Mask, Objects
from ..inference.coco import runs
from ..inference.matching import overlaps

RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
SMALLEST = np.finfo(np.float32).tiny


class Reader:
    """One exported model's metadata."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.task: str = metadata["model"]["task"]
        self.names = [entry["name"] for entry in metadata["classes"]]
        self.input, self.pre, self.post = metadata["input"], metadata["preprocess"], metadata["postprocess"]
        self.kinds = [output["kind"] for output in metadata["outputs"]]
        self.whole = self.input["layout"] == "HWC" and self.input["shape"][0] == -1

    def prepare(self, image: Image.Image) -> np.ndarray:
        """One input: the image itself, or resized and scaled, with a batch of one."""
        if self.whole:
            return np.array(image.convert("RGB")).astype(self.input["dtype"])
        pixels = resized(np.array(image.convert("RGB")), self.pre["resize"]).astype(np.float32)
        if not self.pre["included"]:
            pixels = (pixels * self.pre["scale"] - self.pre["mean"]) / self.pre["std"]
        ready = pixels.astype(self.input["dtype"])
        return np.ascontiguousarray(ready if self.input["layout"] == "NHWC" else ready.transpose(2, 0, 1))[None]

    def smaller(self, image: Image.Image) -> np.ndarray:
        """The same input of a small image: one that is resized already is not changed by the graph, and hundreds of photographs fit into memory."""
        if not self.whole:
            return self.prepare(image)
        pixels, resize = np.array(image.convert("RGB")), self.pre["resize"]
        if resize["mode"] != "shortest_crop":
            return resized(pixels, resize).astype(self.input["dtype"])
        width, height = uncropped(resize, image.size)
        small = scaled(pixels, width, height, resize) if width * height < image.width * image.height else pixels
        return small.astype(self.input["dtype"])

    def decode(self, outputs: Sequence[np.ndarray], size: tuple[int, int]) -> Any:
        """The answer to one image of (width, height): its objects, its mask, or the probability of every class."""
        found = {kind: np.asarray(output) if self.whole else np.asarray(output)[0] for kind, output in zip(self.kinds, outputs, strict=True)}
        if self.task == "classify":
            return found["probabilities"] if "probabilities" in found else softmax(found["logits"].astype(np.float64))
        if self.task == "semantic":
            scores = next(iter(found.values())).astype(np.float32)
            finite = bool(np.isfinite(scores).all())
            if "probabilities" in found:  # trainers enlarge logits; logarithms differ from them by one number a pixel, which changes no largest class
                scores = np.log(np.maximum(scores, SMALLEST))
            return Mask(bilinear(scores.transpose(1, 2, 0), size[1], size[0]).argmax(2).astype(np.int32), finite)
        rows = self.rows(found)
        boxes = rows["boxes"].astype(float)
        place = placed(self.pre["resize"], size)
        inside = boxes if self.post["box_space"] == "input" else place.into(boxes)
        scores = rows["scores"].astype(float)
        outlines: list[np.ndarray] | None = None
        pixels: list[dict[str, Any]] | None = None
        if self.task == "segment":
            outlines, pixels = [], []
            if not np.isfinite(found["mask_prototypes"]).all():
                scores = np.full_like(scores, np.nan)
            scores[~np.isfinite(rows["extra"]).all(1)] = np.nan  # a mask of NaN is an empty one, and nobody would see it
            for mask in self.masks(rows["extra"], found["mask_prototypes"], inside):
                outlines.append(place.back(outline(mask)))
                pixels += runs(place.cut(mask)[None])
        points = rows.get("keypoints")
        if self.post["box_space"] == "input":
            boxes = place.back(boxes)
            points = None if points is None else np.concatenate([place.back(points[..., :2]), points[..., 2:]], -1)
        return Objects(boxes, rows["classes"].astype(int), scores, outlines, points, pixels)

    def rows(self, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.post["included"]:
            real = ~(found["scores"] <= 0)  # NaN is no padding: who compares must see it
            rows = {kind: found[kind][real] for kind in ("boxes", "scores", "classes", "keypoints") if kind in found}
            return {**rows, "extra": found["mask_coefficients"][real] if "mask_coefficients" in found else np.zeros((0, 0))}
        rows = self.end_to_end(found["raw"]) if self.post["box_format"] == "xyxy_score_class" else self.suppressed(found["raw"])
        if self.post["keypoint_shape"]:
            count, values = self.post["keypoint_shape"]
            points = rows["extra"].reshape(len(rows["extra"]), count, values)
            rows["keypoints"] = points if values == 3 else np.concatenate([points, np.ones((*points.shape[:2], 1))], 2)
        return rows

    def end_to_end(self, raw: np.ndarray) -> dict[str, np.ndarray]:
        rows = raw[~(raw[:, 4] <= self.post["conf_threshold"])]
        return {"boxes": rows[:, :4], "scores": rows[:, 4], "classes": rows[:, 5], "extra": rows[:, 6:]}

    def suppressed(self, raw: np.ndarray) -> dict[str, np.ndarray]:
        """Greedy suppression, class by class, of (4 + classes + extra, n)."""
        count = len(self.names)
        rows = raw.T
        rows = rows[~(rows[:, 4 : 4 + count].max(1) <= self.post["conf_threshold"])]
        scores, classes = rows[:, 4 : 4 + count].max(1), rows[:, 4 : 4 + count].argmax(1)
        boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], 1)
        kept: list[int] = []
        waiting = np.argsort(-scores, kind="stable")
        while len(waiting) and len(kept) < self.post["max_detections"]:
            first, waiting = waiting[0], waiting[1:]
            kept.append(int(first))
            near = overlaps(boxes[first : first + 1], boxes[waiting])[0] > self.post["iou_threshold"]
            waiting = waiting[~(near & (classes[waiting] == classes[first]))]
        return {"boxes": boxes[kept], "scores": scores[kept], "classes": classes[kept], "extra": rows[kept, 4 + count :]}

    def masks(self, coefficients: np.ndarray, prototypes: np.ndarray, boxes: np.ndarray) -> Iterator[np.ndarray]:
        """The pixels of every object, (height, width) of the model's input."""
        threshold = np.log(self.post["mask_threshold"] / (1 - self.post["mask_threshold"]))
        height, width = self.pre["resize"]["height"], self.pre["resize"]["width"]
        for row, (x1, y1, x2, y2) in zip(coefficients, boxes, strict=True):
            large = bilinear(np.tensordot(row, prototypes, 1)[..., None], height, width)[..., 0] > threshold
            across, down = np.arange(width)[None], np.arange(height)[:, None]
            yield large & (across >= x1) & (across < x2) & (down >= y1) & (down < y2)


class Place:
    """Where a picture lies in the model's input."""

    def __init__(self, scale: tuple[float, float], offset: tuple[int, int], size: tuple[int, int]) -> None:
        self.scale, self.offset, self.size = np.array(scale), np.array(offset), np.array(size)

    def into(self, points: np.ndarray) -> np.ndarray:
        pairs = points.reshape(*points.shape[:-1], points.shape[-1] // 2, 2)
        return (pairs * self.scale + self.offset).reshape(points.shape)

    def back(self, points: np.ndarray) -> np.ndarray:
        pairs = points.reshape(*points.shape[:-1], points.shape[-1] // 2, 2)
        return np.clip((pairs - self.offset) / self.scale, 0, self.size).reshape(points.shape)


    def cut(self, mask: np.ndarray) -> np.ndarray:
        """(h, w) without the margins."""
        left, top = self.offset
        width, height = np.round(self.size * self.scale).astype(int)
        return mask[top : top + height, left : left + width]


def placed(resize: Mapping[str, Any], size: tuple[int, int]) -> Place:
    width, height = size
    if resize["mode"] != "letterbox":
        return Place((resize["width"] / width, resize["height"] / height), (0, 0), size)
    new_width, new_height = inner(resize, size)
    offset = round((resize["width"] - new_width) / 2 - 0.1), round((resize["height"] - new_height) / 2 - 0.1)
    return Place((new_width / width, new_height / height), offset, size)


def inner(resize: Mapping[str, Any], size: tuple[int, int]) -> tuple[int, int]:
    ratio = min(resize["width"] / size[0], resize["height"] / size[1])
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def resized(pixels: np.ndarray, resize: Mapping[str, Any]) -> np.ndarray:
    """(height, width, 3) of uint8 in the model's size."""
    height, width = pixels.shape[:2]
    if resize["mode"] == "letterbox":
        place, (new_width, new_height) = placed(resize, (width, height)), inner(resize, (width, height))
        whole = np.full((resize["height"], resize["width"], 3), resize["pad_value"], np.uint8)
        left, top = place.offset
        whole[top : top + new_height, left : left + new_width] = scaled(pixels, new_width, new_height, resize)
        return whole
    if resize["mode"] == "stretch":
        return scaled(pixels, resize["width"], resize["height"], resize)
    new_width, new_height = uncropped(resize, (width, height))
    left, top = round((new_width - resize["width"]) / 2), round((new_height - resize["height"]) / 2)
    return scaled(pixels, new_width, new_height, resize)[top : top + resize["height"], left : left + resize["width"]]


def uncropped(resize: Mapping[str, Any], size: tuple[int, int]) -> tuple[int, int]:
    (width, height), short = size, resize["resize_shortest"]
    return (short, int(short * height / width)) if width <= height else (int(short * width / height), short)


def scaled(pixels: np.ndarray, width: int, height: int, resize: Mapping[str, Any]) -> np.ndarray:
    if resize["antialias"] or resize["kernel"] == "bicubic":
        return np.asarray(Image.fromarray(pixels).resize((width, height), RESAMPLING[resize["kernel"]]))
    return np.floor(bilinear(pixels.astype(np.float32), height, width) + 0.5).astype(np.uint8)


def bilinear(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """(h, w, c) in another size; half-pixel centres, no antialiasing."""

    def taps(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = at.astype(int)
        return low, np.minimum(low + 1, old - 1), (at - low).astype(np.float32)

    y0, y1, dy = taps(values.shape[0], height)
    x0, x1, dx = taps(values.shape[1], width)
    lines = values[y0] * (1 - dy)[:, None, None] + values[y1] * dy[:, None, None]
    return lines[:, x0] * (1 - dx)[None, :, None] + lines[:, x1] * dx[None, :, None]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def outline(mask: np.ndarray) -> np.ndarray:
    """The corners of the largest piece."""
    import cv2

    pieces, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return max(pieces, key=len).reshape(-1, 2).astype(float) if pieces else np.zeros((0, 2))
