"""Packages with a network made by hand, which finds coloured shapes by their moments: no training, and every pixel of the input counts.

Each package asks other things of a wrapper: who resizes and how, which layout, whose suppression, masks and keypoints. The expected
answers come from the network in torch with the preparation and suppression of the frameworks (Ultralytics, torchvision), never from a wrapper.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn
from torch.nn import functional

SIZE = 96
CONFIDENCE, OVERLAP, MOST = 0.3, 0.5, 20
NAMES = ("circle", "square", "triangle")
COLOURS = ((230, 40, 40), (40, 200, 60), (50, 80, 240))
TOLERANCE = {"pixels": 0.5, "score": 0.01, "probability": 0.005, "mask_iou": 0.85}  # Ultralytics cuts the padding off prototypes to whole cells
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


# --- networks -----------------------------------------------------------------------------------


def redness(x: torch.Tensor) -> torch.Tensor:
    """[n, 3, h, w] in 0..1 → how much more of each channel there is than of the others."""
    r, g, b = x[:, 0], x[:, 1], x[:, 2]
    others = torch.stack([torch.maximum(g, b), torch.maximum(r, b), torch.maximum(r, g)], 1)
    return functional.relu(x - others - 0.25)


class Moments(nn.Module):
    """A detector as YOLO's head gives it: of each cell a box (cxcywh), scores, and mask coefficients or keypoints; prototypes beside."""

    def __init__(self, extra: str | None) -> None:
        super().__init__()
        self.extra = extra
        at = torch.arange(SIZE) + 0.5
        self.register_buffer("x", at.view(1, 1, 1, SIZE))
        self.register_buffer("y", at.view(1, 1, SIZE, 1))
        whole = self.pool(torch.ones(1, 1, SIZE, SIZE))  # less at the edges
        self.register_buffer("here", torch.cat([self.pool(a.expand(1, 1, SIZE, SIZE)) / whole for a in (self.x, self.y)], 1))

    def pool(self, values: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(values, 41, 8, 20)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        each = redness(x)
        mass = each.sum(1, keepdim=True)
        m0, m1 = self.pool(mass) + 1e-4, self.pool(each)
        cx, cy = self.pool(mass * self.x) / m0, self.pool(mass * self.y) / m0
        w, h = ((12 * (self.pool(mass * a * a) / m0 - c * c)).clamp(min=1).sqrt() for a, c in ((self.x, cx), (self.y, cy)))
        distance = (cx - self.here[:, :1]) ** 2 + (cy - self.here[:, 1:]) ** 2
        scores = (m1 / m0) * (m0 * 25).clamp(max=0.97) * torch.exp(-distance / 288)
        rows = [cx, cy, w, h, scores]
        if self.extra == "masks":
            rows.append(m1 / m0)
        if self.extra == "keypoints":
            rows += [cx, cy - h / 4, scores.amax(1, keepdim=True), cx + w / 4, cy, scores.amax(1, keepdim=True)]
        return torch.cat(rows, 1).flatten(2), functional.avg_pool2d(each, 4) * 40 - 6


class Whole(nn.Module):
    """One object a class over an image of any size: no resizing, answers in its own pixels. The last row is padding."""

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        each = redness(image.float().permute(2, 0, 1)[None] / 255)[0]
        x = torch.ones_like(each[0]).cumsum(1) - 0.5
        y = torch.ones_like(each[0]).cumsum(0) - 0.5
        mass = each.sum((1, 2)) + 1e-3
        centre = torch.stack([(each * x).sum((1, 2)) / mass, (each * y).sum((1, 2)) / mass], 1)
        spread = torch.stack([(each * x * x).sum((1, 2)) / mass, (each * y * y).sum((1, 2)) / mass], 1) - centre**2
        half = (3 * spread.clamp(min=0)).sqrt()
        scores = (mass / (each[0] + 1).sum() * 20).clamp(max=0.9)
        boxes = torch.cat([centre - half, centre + half], 1)
        points = torch.stack([torch.cat([centre, scores[:, None]], 1), torch.cat([centre + half / 2, scores[:, None]], 1)], 1)
        pad = nn.functional.pad
        return (
            pad(boxes, (0, 0, 0, 1)), pad(scores * (scores > 0.05), (0, 1)), torch.arange(4) % 3,
            pad(points, (0, 0, 0, 0, 0, 1)), pad((each > 0.1).to(torch.uint8), (0, 0, 0, 0, 0, 1)),
        )


class Classes(nn.Module):
    """A small network with fixed weights: logits of three classes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 3))
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) * 3


class Nhwc(nn.Module):
    """Takes NHWC and hands NCHW on, scaled."""

    def __init__(self, inner: nn.Module, scale: float, outputs: Callable[..., Any]) -> None:
        super().__init__()
        self.inner, self.scale, self.outputs = inner, scale, outputs

    def forward(self, x: torch.Tensor) -> Any:
        return self.outputs(self.inner(x.permute(0, 3, 1, 2).float() * self.scale))


class Chosen(nn.Module):
    """Moments with their best eight rows, without suppression: what a graph that ends its work in input pixels gives."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Moments("masks")

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raw, prototypes = self.inner(x)
        scores, classes = raw[:, 4:7].max(1)
        best, rows = scores.topk(8, dim=1)
        kept = raw.gather(2, rows[:, None].expand(-1, raw.shape[1], -1)).transpose(1, 2)
        half = kept[..., 2:4] / 2
        boxes = torch.cat([kept[..., :2] - half, kept[..., :2] + half], 2)
        return boxes, best * (best > CONFIDENCE), classes.gather(1, rows), kept[..., 7:10], prototypes, torch.tensor([5])


# --- what is expected ----------------------------------------------------------------------------


def upright(path: Path) -> np.ndarray:
    from trainer_vision.images import read_image

    return np.asarray(read_image(path))


def letterboxed(pixels: np.ndarray) -> tuple[torch.Tensor, float, tuple[float, float]]:
    """As Ultralytics prepares an image: (input, scale, offset)."""
    from ultralytics.data.augment import LetterBox

    height, width = pixels.shape[:2]
    ratio = min(SIZE / width, SIZE / height)
    if min(width, height) * ratio < 1:  # OpenCV resizes no image to nothing: thin ones are widened to one pixel
        image = np.full((SIZE, SIZE, 3), 114, np.uint8)
        import cv2

        w, h = max(1, round(width * ratio)), max(1, round(height * ratio))
        x, y = round((SIZE - w) / 2 - 0.1), round((SIZE - h) / 2 - 0.1)
        image[y : y + h, x : x + w] = cv2.resize(pixels, (w, h), interpolation=cv2.INTER_LINEAR)
    else:
        image = LetterBox((SIZE, SIZE), auto=False)(image=pixels)
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    offset = tuple(round((SIZE - v) / 2 - 0.1) for v in size)
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255, ratio, offset


def expect_moments(extra: str) -> Callable[[np.ndarray], dict[str, Any]]:
    def expect(pixels: np.ndarray) -> dict[str, Any]:
        from ultralytics.utils import nms, ops

        image, _, _ = letterboxed(pixels)
        raw, prototypes = Moments(extra)(image)
        (rows,) = nms.non_max_suppression(raw, CONFIDENCE, OVERLAP, max_det=MOST, nc=3)
        boxes = ops.scale_boxes((SIZE, SIZE), rows[:, :4].clone(), pixels.shape[:2])
        objects = []
        for box, row in zip(boxes.tolist(), rows, strict=True):
            points = mask = None
            if extra == "keypoints":
                points = ops.scale_coords((SIZE, SIZE), row[6:].view(1, 2, 3)[..., :2].clone(), pixels.shape[:2])[0]
                points = torch.cat([points, row[6:].view(2, 3)[:, 2:]], 1).tolist()
            if extra == "masks":
                mask = coco_mask(ops.process_mask_native(prototypes[0], row[None, 6:], torch.tensor([box]), pixels.shape[:2])[0].numpy() > 0)
            objects.append({"class_index": int(row[5]), "confidence": float(row[4]), "bbox": box, "keypoints": points, "mask": mask})
        return {"objects": objects}

    return expect


def expect_chosen(pixels: np.ndarray) -> dict[str, Any]:
    from ultralytics.utils import ops

    image, _, _ = letterboxed(pixels)
    boxes, scores, classes, coefficients, prototypes, count = (v[0] for v in Chosen()(image))
    shown = ops.scale_boxes((SIZE, SIZE), boxes.clone(), pixels.shape[:2])
    objects = []
    for i in range(int(count)):
        if scores[i] > 0:
            mask = ops.process_mask_native(prototypes, coefficients[i : i + 1], shown[i : i + 1], pixels.shape[:2])[0].numpy() > 0
            objects.append({"class_index": int(classes[i]), "confidence": float(scores[i]), "bbox": shown[i].tolist(), "keypoints": None, "mask": coco_mask(mask)})
    return {"objects": objects}


def expect_whole(pixels: np.ndarray) -> dict[str, Any]:
    boxes, scores, classes, points, masks = Whole()(torch.from_numpy(pixels.copy()))
    height, width = pixels.shape[:2]
    limits = torch.tensor([width, height, width, height])
    objects = []
    for i in range(4):
        if scores[i] > 0:
            objects.append({
                "class_index": int(classes[i]), "confidence": float(scores[i]), "bbox": boxes[i].clamp(min=0).minimum(limits).tolist(),
                "keypoints": torch.cat([points[i, :, :2].clamp(min=0).minimum(limits[:2]), points[i, :, 2:]], 1).tolist(), "mask": coco_mask(masks[i].numpy() > 0),
            })
    return {"objects": objects}


def expect_cropped(pixels: np.ndarray) -> dict[str, Any]:
    from torchvision import transforms

    prepare = transforms.Compose([transforms.Resize(72), transforms.CenterCrop(64), transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    return {"probabilities": Classes(64)(prepare(Image.fromarray(pixels))[None]).softmax(1)[0].tolist()}


def expect_stretched(pixels: np.ndarray) -> dict[str, Any]:
    from torchvision import transforms

    prepare = transforms.Compose([transforms.Resize((48, 64), transforms.InterpolationMode.BICUBIC), transforms.ToTensor()])
    return {"probabilities": Classes(64)(prepare(Image.fromarray(pixels))[None].flip(1)).softmax(1)[0].tolist()}


def coco_mask(mask: np.ndarray) -> dict[str, Any]:
    flat = mask.T.flatten()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


# --- packages -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Package:
    """A network, its metadata, and what it must answer."""

    task: str
    network: nn.Module
    example: torch.Tensor
    input: dict[str, Any]
    preprocess: dict[str, Any]
    outputs: list[tuple[str, str]]  # name, kind
    postprocess: dict[str, Any]
    expect: Callable[[np.ndarray], dict[str, Any]]

    def answers(self) -> tuple[torch.Tensor, ...]:
        with torch.inference_mode():
            found = self.network(self.example)
        return found if isinstance(found, tuple) else (found,)

    def metadata(self, name: str, file: str, kind: str) -> dict[str, Any]:
        return {
            "schema_version": 1, "model": {"name": name, "framework": "by hand", "task": self.task, "file": file, "format": kind, "precision": "float32"},
            "classes": [{"index": i, "id": 10 + i, "name": n} for i, n in enumerate(NAMES)],
            "input": {"name": "image", "color": "RGB", **self.input}, "preprocess": self.preprocess,
            "outputs": [{"name": n, "kind": k, "dtype": str(a.dtype).removeprefix("torch."), "shape": list(a.shape)} for (n, k), a in zip(self.outputs, self.answers(), strict=True)],
            "postprocess": self.postprocess,
            "thresholds": {}, "parity": {}, "versions": {}, "provenance": {"job_id": "job-1"},
        }


def resize(mode: str, width: int, height: int, **more: Any) -> dict[str, Any]:
    return {"mode": mode, "width": width, "height": height, "resize_shortest": None, "kernel": "bilinear", "half_pixel": True, "antialias": False, "pad_value": 114, "pad_side": "center", **more}


def prepare(included: bool, how: dict[str, Any], mean: tuple[float, ...] = (0.0,) * 3, std: tuple[float, ...] = (1.0,) * 3) -> dict[str, Any]:
    return {"included": included, "exif": True, "resize": how, "scale": [1 / 255] * 3, "mean": list(mean), "std": list(std)}


def after(included: bool, **more: Any) -> dict[str, Any]:
    rules = {"conf_threshold": CONFIDENCE, "iou_threshold": OVERLAP, "max_detections": MOST, "box_format": "xyxy", "box_space": "input", "activation": "none", "mask_threshold": 0.5, "keypoint_shape": None}
    return {"included": included, **rules, **more}


def packages() -> dict[str, Package]:
    square = resize("letterbox", SIZE, SIZE)
    nchw = {"layout": "NCHW", "dtype": "float32", "shape": [1, 3, SIZE, SIZE]}
    return {
        "segment": Package(
            "segment", Moments("masks"), torch.rand(1, 3, SIZE, SIZE), nchw, prepare(False, square),
            [("raw", "raw"), ("prototypes", "mask_prototypes")], after(False), expect_moments("masks"),
        ),
        "pose": Package(
            "pose", Nhwc(Moments("keypoints"), 1 / 255, lambda y: (y[0][:, :4].mT, y[0][:, 4:7].mT, y[0][:, 7:].mT)), torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8),
            {"layout": "NHWC", "dtype": "uint8", "shape": [1, SIZE, SIZE, 3]}, prepare(True, square),
            [("boxes", "boxes"), ("scores", "scores"), ("keypoints", "keypoints")], after(False, box_format="cxcywh", keypoint_shape=[2, 3]), expect_moments("keypoints"),
        ),
        "chosen": Package(
            "segment", Chosen(), torch.rand(1, 3, SIZE, SIZE), nchw, prepare(False, square),
            [("boxes", "boxes"), ("scores", "scores"), ("classes", "classes"), ("coefficients", "mask_coefficients"), ("prototypes", "mask_prototypes"), ("count", "count")],
            after(True), expect_chosen,
        ),
        "whole": Package(
            "segment", Whole(), torch.zeros(50, 70, 3, dtype=torch.uint8), {"layout": "HWC", "dtype": "uint8", "shape": [-1, -1, 3]}, prepare(True, square),
            [("boxes", "boxes"), ("scores", "scores"), ("classes", "classes"), ("keypoints", "keypoints"), ("masks", "masks")], after(True, box_space="image", keypoint_shape=[2, 3]), expect_whole,
        ),
        "cropped": Package(
            "classify", Classes(64), torch.rand(1, 3, 64, 64), {"layout": "NCHW", "dtype": "float32", "shape": [1, 3, 64, 64]},
            prepare(False, resize("shortest_crop", 64, 64, resize_shortest=72, antialias=True), MEAN, STD), [("logits", "logits")], after(False, activation="softmax"), expect_cropped,
        ),
        "stretched": Package(
            "classify", Nhwc(Classes(64), 1.0, lambda y: y.softmax(1)), torch.rand(1, 48, 64, 3), {"layout": "NHWC", "dtype": "float32", "shape": [1, 48, 64, 3], "color": "BGR"},
            prepare(False, resize("stretch", 64, 48, kernel="bicubic", antialias=True)), [("probabilities", "probabilities")], after(True), expect_stretched,
        ),
    }


def write_onnx(package: Package, path: Path) -> None:
    free = {0: torch.export.Dim("height", min=1, max=8192), 1: torch.export.Dim("width", min=1, max=8192)}
    torch.onnx.export(
        package.network, (package.example,), str(path), dynamo=True, external_data=False, verbose=False, input_names=["image"], output_names=[n for n, _ in package.outputs],
        dynamic_shapes=(free,) if package.input["layout"] == "HWC" else None,
    )


def write_torchscript(package: Package, path: Path) -> None:
    with torch.inference_mode():
        torch.jit.trace(package.network, package.example, check_trace=False).save(str(path))


WRITERS = {"onnx": (write_onnx, "model.onnx"), "torchscript": (write_torchscript, "model.torchscript")}


def write(folder: Path, name: str, kind: str, images: list[Path]) -> None:
    """A package's model, metadata and golden answer; expected.json has what it must answer for each image."""
    package = packages()[name]
    package.network.eval()
    (folder / "golden").mkdir(parents=True)
    writer, file = WRITERS[kind]
    writer(package, folder / file)
    metadata = package.metadata(name, file, kind)
    metadata["model"]["sha256"] = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    (folder / "metadata.json").write_text(json.dumps(metadata))
    with torch.inference_mode():
        expected = {path.name: {**package.expect(upright(path)), "tolerance": TOLERANCE} for path in images}
    (folder / "expected.json").write_text(json.dumps(expected))
    Image.fromarray(upright(images[0])).save(folder / "golden" / "image.png")
    (folder / "golden" / "answer.json").write_text(json.dumps({"image": "image.png", **expected[images[0].name]}))


# --- images -------------------------------------------------------------------------------------


def scene(width: int, height: int, seed: int) -> Image.Image:
    """Three shapes of different sizes on noise."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(90, 130, (height, width, 3), dtype=np.uint8))
    draw = ImageDraw.Draw(image)
    for i, colour in enumerate(COLOURS):
        side = max(4, min(width, height) * (5 + i) // 18)
        x, y = int(width * (0.08 + 0.32 * i)), int((height - side) * (0.2 + 0.3 * ((i + seed) % 3)))
        corners = (x, y, x + side, y + side)
        if i == 0:
            draw.ellipse(corners, fill=colour)
        elif i == 1:
            draw.rectangle(corners, fill=colour)
        else:
            draw.polygon([(x + side / 2, y), (x + side, y + side), (x, y + side)], fill=colour)
    return image


def write_images(folder: Path) -> list[Path]:
    """EXIF, grey, alpha, 16 bits, a palette, odd sizes, and 1 × 1000 pixels both ways."""
    folder.mkdir()
    turned = Image.Exif()
    turned[0x112] = 6
    saved: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "plain.png": (scene(200, 150, 0), {}), "odd.png": (scene(97, 61, 1), {}), "small.png": (scene(37, 53, 2), {}),
        "turned.jpg": (scene(180, 240, 3).rotate(90, expand=True), {"exif": turned, "quality": 95, "subsampling": 0}),
        "large.png": (scene(1000, 745, 3), {}),  # whose sides are rounded: half a pixel of the model is five of the image
        "grey.png": (scene(120, 90, 4).convert("L"), {}), "alpha.png": (scene(130, 110, 5).convert("RGBA"), {}),
        "palette.png": (scene(110, 80, 6).quantize(64), {}),
        "tall.png": (scene(1, 1000, 7), {}), "wide.png": (scene(1000, 1, 8), {}), "deep.png": (Image.fromarray((np.arange(80 * 60).reshape(60, 80) * 13).astype(np.uint16)), {}),
    }
    for name, (image, options) in saved.items():
        if name == "alpha.png":
            image.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, image.width).astype(np.uint8), (image.height, 1))))
        image.save(folder / name, **options)
    return [folder / name for name in saved]




def main(root: Path, chosen: list[str]) -> None:
    """images, and packages as KIND/NAME: all of them, or those that are named."""
    images = write_images(root / "images")
    for name in chosen or [f"{kind}/{name}" for kind in WRITERS for name in packages()]:
        kind, package = name.split("/")
        write(root / name, package, kind, images)


if __name__ == "__main__":
    import sys

    import offline  # noqa: F401  before ultralytics

    main(Path(sys.argv[1]), sys.argv[2:])
