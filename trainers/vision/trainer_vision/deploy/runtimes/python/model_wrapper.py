"""Runs an exported model as its metadata.json says, from the bytes of an image to boxes, masks, keypoints or probabilities.

Needs NumPy, Pillow and the engine of the model's format: onnxruntime (.onnx), openvino (.xml), ai-edge-litert (.tflite) or torch
(.torchscript). Everything about the model stands in metadata.json; nothing here knows a framework.

    model = ModelWrapper("model.onnx")          # metadata.json lies beside it
    answer = model.predict("image.jpg")
    for found in answer.objects: print(found.class_name, found.confidence, found.bbox)
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageOps

SCHEMA = 1
METADATA_BYTES = 16 << 20  # more than any list of classes needs
CANDIDATES = 30000  # boxes that suppression looks at, best first
TASKS = ("detect", "segment", "pose", "classify")
SIXTEEN_BITS = {"I;16", "I;16L", "I;16B", "I;16N"}


class WrapperError(Exception):
    """What is wrong with the package, the image or the machine, and what helps."""


# --- answers ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mask:
    """Which pixels of an image belong to an object: only those inside its box are kept."""

    left: int
    top: int
    inside: np.ndarray  # bool [height, width]

    def whole(self, width: int, height: int) -> np.ndarray:
        canvas = np.zeros((height, width), bool)
        h, w = self.inside.shape
        canvas[self.top : self.top + h, self.left : self.left + w] = self.inside
        return canvas


@dataclass(frozen=True)
class Detection:
    """One object. Coordinates are pixels of the upright image."""

    bbox: tuple[float, float, float, float]  # x1, y1, x2, y2
    confidence: float
    class_index: int
    class_id: Any  # the platform's, None where there is none
    class_name: str
    keypoints: np.ndarray | None = None  # [points, 3]: x, y, confidence
    mask: Mask | None = None


@dataclass(frozen=True)
class Answer:
    width: int  # of the upright image
    height: int
    objects: list[Detection] = field(default_factory=list)
    probabilities: list[float] | None = None  # one a class, of a classifier

    def to_json(self) -> dict[str, Any]:
        size = {"width": self.width, "height": self.height}
        if self.probabilities is not None:
            return {**size, "probabilities": self.probabilities}
        return {**size, "objects": [_object(found, self.width, self.height) for found in self.objects]}


def _object(found: Detection, width: int, height: int) -> dict[str, Any]:
    return {
        "class_index": found.class_index, "class_id": found.class_id, "class_name": found.class_name, "confidence": found.confidence, "bbox": list(found.bbox),
        "keypoints": None if found.keypoints is None else found.keypoints.tolist(),
        "mask": None if found.mask is None else {"size": [height, width], "counts": runs(found.mask.whole(width, height))},
    }


def runs(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed runs: column by column, beginning with zeros."""
    flat = mask.T.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *counts] if flat.size and flat[0] else counts


def from_runs(counts: Sequence[int], width: int, height: int) -> np.ndarray:
    if sum(counts) != width * height:
        raise WrapperError(f"a mask's runs cover {sum(counts)} pixels, the image has {width * height}")
    values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return values.reshape(width, height).T


# --- images -------------------------------------------------------------------------------------


def read_image(path: str | Path) -> np.ndarray:
    """RGB of 8 bits a channel, upright: EXIF orientation is applied, transparency dropped, 16 bits scaled to 8."""
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode in SIXTEEN_BITS:
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            elif upright.mode in {"F", "I"}:
                raise WrapperError(f"the image {path} has {upright.mode} pixels, of which nothing says what is white: convert it to 8 bits a channel")
            elif upright.mode == "P":
                upright = upright.convert("RGBA")
            return np.asarray(upright.convert("RGB"))
    except WrapperError:
        raise
    except Exception as error:  # decoders raise whatever they like of broken bytes
        raise WrapperError(f"the image {path} cannot be read: {error}") from error


@dataclass(frozen=True)
class Placement:
    """Where the image lies in the model's input: input = image * scale + offset, for x and y."""

    scale: tuple[float, float]
    offset: tuple[float, float]

    def to_image(self, points: np.ndarray) -> np.ndarray:
        return (points - np.array(self.offset)) / np.array(self.scale)


@dataclass(frozen=True)
class Resize:
    """How a trainer brings images to the model's size."""

    mode: str  # letterbox, stretch, shortest_crop
    width: int
    height: int
    shortest: int | None
    kernel: str
    antialias: bool
    pad_value: int
    pad_side: str

    @classmethod
    def load(cls, spec: Mapping[str, Any]) -> Resize:
        if spec["mode"] not in {"letterbox", "stretch", "shortest_crop"} or spec["kernel"] not in {"bilinear", "bicubic"}:
            raise WrapperError(f"metadata.json: preprocess.resize has mode {spec['mode']!r} with kernel {spec['kernel']!r}, which this wrapper does not know: take the wrapper of a newer package")
        return cls(
            spec["mode"], int(spec["width"]), int(spec["height"]), spec.get("resize_shortest"), spec["kernel"], bool(spec.get("antialias")),
            int(spec.get("pad_value") or 0), spec.get("pad_side") or "center",
        )

    def place(self, width: int, height: int) -> tuple[Placement, tuple[int, int], tuple[int, int]]:
        """(where the image lies, its size after resizing, its left top corner in the input)."""
        if self.mode == "stretch":
            return Placement((self.width / width, self.height / height), (0, 0)), (self.width, self.height), (0, 0)
        if self.mode == "letterbox":
            ratio = min(self.width / width, self.height / height)
            size = max(1, round(width * ratio)), max(1, round(height * ratio))
            corner = (0, 0) if self.pad_side == "top_left" else (round((self.width - size[0]) / 2 - 0.1), round((self.height - size[1]) / 2 - 0.1))
            return Placement((size[0] / width, size[1] / height), corner), size, corner  # of the rounded sides
        shortest = self.shortest or min(self.width, self.height)
        short = min(width, height)
        size = (shortest, int(shortest * height / width)) if width == short else (int(shortest * width / height), shortest)
        corner = (-round((size[0] - self.width) / 2), -round((size[1] - self.height) / 2))
        return Placement((size[0] / width, size[1] / height), corner), size, corner

    def apply(self, pixels: np.ndarray) -> tuple[np.ndarray, Placement]:
        placement, size, corner = self.place(pixels.shape[1], pixels.shape[0])
        canvas = np.full((self.height, self.width, 3), self.pad_value if self.mode == "letterbox" else 0, np.uint8)
        paste(canvas, resample(pixels, size, self.kernel, self.antialias), corner)
        return canvas, placement


def paste(canvas: np.ndarray, pixels: np.ndarray, corner: tuple[int, int]) -> None:
    """Put pixels at a corner that may lie outside the canvas."""
    x, y = corner
    left, top = max(0, x), max(0, y)
    right, bottom = min(canvas.shape[1], x + pixels.shape[1]), min(canvas.shape[0], y + pixels.shape[0])
    if right > left and bottom > top:
        canvas[top:bottom, left:right] = pixels[top - y : bottom - y, left - x : right - x]


def resample(pixels: np.ndarray, size: tuple[int, int], kernel: str, antialias: bool) -> np.ndarray:
    """As Pillow does with antialiasing, as OpenCV does without: half-pixel centres."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    if antialias or kernel == "bicubic":
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC if kernel == "bicubic" else Image.Resampling.BILINEAR))
    x0, x1, dx = _taps(pixels.shape[1], size[0])
    y0, y1, dy = _taps(pixels.shape[0], size[1])
    dx, dy = dx[None, :, None], dy[:, None, None]
    rows = pixels[y0] * (1 - dy) + pixels[y1] * dy
    return np.rint(rows[:, x0] * (1 - dx) + rows[:, x1] * dx).astype(np.uint8)


def _taps(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    low = at.astype(int)
    return low, np.minimum(low + 1, old - 1), (at - low).astype(np.float32)


# --- engines ------------------------------------------------------------------------------------


class Engine(Protocol):
    """Runs one input; the answers come in the order of metadata.json's outputs."""

    def run(self, image: np.ndarray) -> Sequence[np.ndarray]: ...


class OnnxRuntime:
    def __init__(self, path: Path, metadata: Mapping[str, Any]) -> None:
        import onnxruntime

        wanted = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in onnxruntime.get_available_providers()]
        self.session = onnxruntime.InferenceSession(str(path), providers=wanted)
        self.input = metadata["input"]["name"]
        self.outputs = [o["name"] for o in metadata["outputs"]]

    def run(self, image: np.ndarray) -> Sequence[np.ndarray]:
        return self.session.run(self.outputs, {self.input: image})


class OpenVino:
    def __init__(self, path: Path, metadata: Mapping[str, Any]) -> None:
        import openvino

        hint = {"INFERENCE_PRECISION_HINT": "f32"} if metadata["model"].get("precision") in {"float32", "fp32"} else {}
        self.model = openvino.Core().compile_model(str(next(path.glob("*.xml")) if path.is_dir() else path), "CPU", hint)
        names = [o["name"] for o in metadata["outputs"]]
        known = {name for port in self.model.outputs for name in port.get_names()}
        self.ports = [self.model.output(name) for name in names] if known.issuperset(names) else self.model.outputs

    def run(self, image: np.ndarray) -> Sequence[np.ndarray]:
        found = self.model([image])
        return [found[port] for port in self.ports]


class LiteRt:
    def __init__(self, path: Path, metadata: Mapping[str, Any]) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.runner = Interpreter(model_path=str(path)).get_signature_runner()
        (self.input,) = self.runner.get_input_details()
        names = [o["name"] for o in metadata["outputs"]]
        known = list(self.runner.get_output_details())
        self.outputs = names if set(known) >= set(names) else sorted(known, key=lambda name: int(name.rsplit("_", 1)[-1]))

    def run(self, image: np.ndarray) -> Sequence[np.ndarray]:
        found = self.runner(**{self.input: image})
        return [found[name] for name in self.outputs]


class Torch:
    def __init__(self, path: Path, _metadata: Mapping[str, Any]) -> None:
        import torch

        self.torch = torch
        self.module = torch.jit.load(str(path), map_location="cpu").eval()

    def run(self, image: np.ndarray) -> Sequence[np.ndarray]:
        with self.torch.inference_mode():
            found = self.module(self.torch.tensor(image))
        return [t.numpy() for t in (found if isinstance(found, list | tuple) else [found])]


ENGINES = {"onnx": (OnnxRuntime, "onnxruntime"), "openvino": (OpenVino, "openvino"), "tflite": (LiteRt, "ai-edge-litert"), "torchscript": (Torch, "torch")}


def start_engine(path: Path, metadata: Mapping[str, Any]) -> Engine:
    name = metadata["model"]["format"]
    if name not in ENGINES:
        raise WrapperError(f"this wrapper runs {', '.join(ENGINES)}, not {name}: pass the package's model.onnx instead")
    engine, package = ENGINES[name]
    try:
        return engine(path, metadata)
    except ImportError as error:
        raise WrapperError(f"{path.name} needs the package {package} (pip install {package}): {error}") from error
    except Exception as error:  # engines raise whatever they like of a file that is damaged or another one
        raise WrapperError(f"{package} cannot open {path.name}: {_first_line(error)}. Unpack the package again") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0][:300]


# --- detections ---------------------------------------------------------------------------------


@dataclass
class Candidates:
    """Rows of a detector: boxes xyxy, one score and class each, and what rides along."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    keypoints: np.ndarray | None = None
    coefficients: np.ndarray | None = None
    masks: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Candidates:
        return Candidates(*(None if v is None else v[rows] for v in (self.boxes, self.scores, self.classes, self.keypoints, self.coefficients, self.masks)))


def corners(boxes: np.ndarray, kind: str) -> np.ndarray:
    if kind == "xyxy":
        return boxes
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1)


def suppress(found: Candidates, confidence: float, overlap: float, most: int) -> Candidates:
    """Greedy suppression within each class."""
    order = np.argsort(-found.scores, kind="stable")
    order = order[found.scores[order] > confidence][:CANDIDATES]
    kept: list[int] = []
    while order.size and len(kept) < most:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        order = rest[(found.classes[rest] != found.classes[best]) | (iou(found.boxes[best], found.boxes[rest]) <= overlap)]
    return found.take(np.array(kept, int))


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    shared = np.clip(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0, None).prod(1)
    area, areas = np.prod(box[2:] - box[:2]), np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return shared / np.maximum(area + areas - shared, 1e-9)


def activate(scores: np.ndarray, activation: str) -> np.ndarray:
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-scores))
    if activation == "softmax":
        e = np.exp(scores - scores.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)
    return scores


class Decoder:
    """Turns the engine's answers into an Answer, as metadata.json's outputs and postprocess say."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.kinds = [o["kind"] for o in metadata["outputs"]]
        self.rules = metadata["postprocess"]
        self.classes = sorted(metadata["classes"], key=lambda c: c["index"])
        if metadata["model"]["task"] not in TASKS:
            raise WrapperError(f"the model's task is {metadata['model']['task']}; this wrapper answers {', '.join(TASKS)}. metadata.json says how its outputs are read")
        resize = metadata["preprocess"]["resize"]
        self.input_size = np.array([resize["width"], resize["height"]])

    def decode(self, arrays: Sequence[np.ndarray], placement: Placement, seen: Placement, width: int, height: int) -> Answer:
        """placement: where the image lies in what went into the model; seen: in what the network itself sees, to which prototypes belong."""
        found = {kind: np.asarray(array) for kind, array in zip(self.kinds, arrays, strict=True)}
        for kind in ("probabilities", "logits"):
            if kind in found:
                values = found[kind].astype(np.float64).reshape(-1)
                return Answer(width, height, probabilities=(activate(values, self.rules["activation"]) if kind == "logits" else values).tolist())
        rows = self.ready(found) if self.rules["included"] else self.rough(found)
        if self.rules["box_space"] == "input":
            rows.boxes = placement.to_image(rows.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
            if rows.keypoints is not None:
                rows.keypoints = np.concatenate([placement.to_image(rows.keypoints[..., :2]), rows.keypoints[..., 2:]], 2)
        limits = np.array([width, height])
        rows.boxes = np.clip(rows.boxes, 0, np.tile(limits, 2))
        if rows.keypoints is not None:
            rows.keypoints[..., :2] = np.clip(rows.keypoints[..., :2], 0, limits)
        prototypes = _without_batch(found["mask_prototypes"], 3) if "mask_prototypes" in found else None
        return Answer(width, height, [self.detection(rows, i, prototypes, seen) for i in range(len(rows.boxes))])

    def ready(self, found: Mapping[str, np.ndarray]) -> Candidates:
        """Rows that the graph chose; those without a score are padding."""
        rows = Candidates(
            corners(found["boxes"].reshape(-1, 4).astype(np.float64), self.rules["box_format"]), found["scores"].reshape(-1).astype(np.float64), found["classes"].reshape(-1).astype(int),
            self._points(found.get("keypoints")), self._rows(found.get("mask_coefficients")), _without_batch(found["masks"], 3) if "masks" in found else None,
        )
        kept = rows.scores > 0
        if "count" in found:
            kept &= np.arange(len(kept)) < int(found["count"].reshape(-1)[0])
        return rows.take(np.flatnonzero(kept))

    def rough(self, found: dict[str, np.ndarray]) -> Candidates:
        """All that the network proposes; suppression is ours."""
        form = self.rules["box_format"]
        if "raw" in found and form == "xyxy_score_class":
            return self._best(_without_batch(found["raw"], 2), found)
        if "raw" in found:
            self._split(found)
            form = "cxcywh"
        scores = activate(found["scores"].reshape(-1, len(self.classes)).astype(np.float64), self.rules["activation"])
        best = scores.argmax(1)
        rows = Candidates(
            corners(found["boxes"].reshape(-1, 4).astype(np.float64), form), scores[np.arange(len(best)), best], best,
            self._points(found.get("keypoints")), self._rows(found.get("mask_coefficients")),
        )
        return suppress(rows, self.rules["conf_threshold"], self.rules["iou_threshold"], self.rules["max_detections"])

    def _best(self, rows: np.ndarray, found: dict[str, np.ndarray]) -> Candidates:
        """Rows of a head that needs no suppression: box, score, class, and what rides along."""
        rows = rows[rows[:, 4] > self.rules["conf_threshold"]][: self.rules["max_detections"]].astype(np.float64)
        points = bool(self.rules.get("keypoint_shape"))
        return Candidates(rows[:, :4], rows[:, 4], rows[:, 5].astype(int), self._points(rows[:, 6:]) if points else None, rows[:, 6:] if not points and "mask_prototypes" in found else None)

    def _split(self, found: dict[str, np.ndarray]) -> None:
        """A raw output has a column a candidate: centre, size, scores, and what rides along."""
        rows = _without_batch(found.pop("raw"), 2).T
        ends = 4 + len(self.classes)
        found["boxes"], found["scores"] = rows[:, :4], rows[:, 4:ends]
        if rows.shape[1] > ends:
            found["keypoints" if self.rules.get("keypoint_shape") else "mask_coefficients"] = rows[:, ends:]

    def _points(self, values: np.ndarray | None) -> np.ndarray | None:
        if values is None:
            return None
        points = values.reshape(-1, *self.rules["keypoint_shape"]).astype(np.float64)
        return points if points.shape[2] == 3 else np.concatenate([points, np.ones((*points.shape[:2], 1))], 2)

    def _rows(self, values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values.reshape(-1, values.shape[-1])

    def detection(self, rows: Candidates, i: int, prototypes: np.ndarray | None, seen: Placement) -> Detection:
        index = int(rows.classes[i])
        if not 0 <= index < len(self.classes):
            raise WrapperError(f"the model answers with class {index}, metadata.json has {len(self.classes)} classes")
        mask = None
        if rows.masks is not None:
            values = rows.masks[i]
            mask = Mask(0, 0, values > (self.rules["mask_threshold"] if values.dtype.kind == "f" else 0))
        elif rows.coefficients is not None and prototypes is not None:
            mask = self.mask(rows.coefficients[i], prototypes, rows.boxes[i], seen)
        known = self.classes[index]
        return Detection(tuple(rows.boxes[i].tolist()), float(rows.scores[i]), index, known.get("id"), known["name"], None if rows.keypoints is None else rows.keypoints[i], mask)

    def mask(self, coefficients: np.ndarray, prototypes: np.ndarray, box: np.ndarray, seen: Placement) -> Mask:
        """The prototypes' sum, sampled bilinearly at the centre of every pixel inside the box."""
        logits = np.tensordot(coefficients.astype(np.float32), prototypes.astype(np.float32), 1)
        left, top, right, bottom = (math.ceil(v) for v in box)
        scale = np.array(logits.shape[::-1]) / self.input_size
        x, y = ((np.arange(a, b) + 0.5) * seen.scale[k] + seen.offset[k] for k, (a, b) in enumerate(((left, right), (top, bottom))))
        x0, x1, dx = _between(x * scale[0] - 0.5, logits.shape[1])
        y0, y1, dy = _between(y * scale[1] - 0.5, logits.shape[0])
        rows = logits[y0] * (1 - dy)[:, None] + logits[y1] * dy[:, None]
        threshold = self.rules.get("mask_threshold") or 0.5
        return Mask(left, top, rows[:, x0] * (1 - dx) + rows[:, x1] * dx > math.log(threshold / (1 - threshold)))


def _between(at: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    at = np.clip(at, 0, size - 1)
    low = at.astype(int)
    return low, np.minimum(low + 1, size - 1), at - low


def _without_batch(array: np.ndarray, dimensions: int) -> np.ndarray:
    return array[0] if array.ndim == dimensions + 1 and array.shape[0] == 1 else array


# --- the wrapper --------------------------------------------------------------------------------


class ModelWrapper:
    """A model ready to answer."""

    def __init__(self, model_path: str | Path, metadata_path: str | Path | None = None) -> None:
        """A file of a package, or the package's folder. Of an ONNX file that metadata.json does not describe, the metadata inside it counts."""
        path = Path(model_path)
        if path.is_dir() and (path / "metadata.json").is_file() and metadata_path is None:
            self.folder, self.metadata = path, _load(path / "metadata.json")
            path = path / _inside(self.metadata["model"]["file"])
            if self.metadata["model"]["format"] not in ENGINES and (self.folder / "model.onnx").is_file():
                path = self.folder / "model.onnx"
                self.metadata = _within(path)
        else:
            self.folder, self.metadata = (path.parent, _load(Path(metadata_path))) if metadata_path else _beside(path)
        self.path = path
        if not path.exists():
            raise WrapperError(f"there is no {path}: unpack the whole package")
        self.resize = Resize.load(self.metadata["preprocess"]["resize"])
        self.decoder = Decoder(self.metadata)
        self.engine = start_engine(path, self.metadata)

    def predict(self, image: str | Path | np.ndarray) -> Answer:
        """The answer for a file, or for the upright RGB pixels of an image, uint8 [height, width, 3]."""
        pixels = image if isinstance(image, np.ndarray) else read_image(image)
        height, width = pixels.shape[:2]
        tensor, placement = self.prepare(pixels)
        return self.decoder.decode(self.ask(tensor), placement, self.resize.place(width, height)[0], width, height)

    def ask(self, tensor: np.ndarray) -> Sequence[np.ndarray]:
        try:
            return self.engine.run(tensor)
        except Exception as error:  # of an input or an output that the file does not have
            raise WrapperError(f"{self.path.name} does not take or give what metadata.json says: {_first_line(error)}. Use both of the same package") from error

    def prepare(self, pixels: np.ndarray) -> tuple[np.ndarray, Placement]:
        spec, rules = self.metadata["input"], self.metadata["preprocess"]
        placement = Placement((1, 1), (0, 0))
        if -1 not in _sides(spec) or not rules["included"]:
            pixels, placement = self.resize.apply(pixels)
        values = pixels if rules["included"] else (pixels * np.array(rules["scale"]) - np.array(rules["mean"])) / np.array(rules["std"])
        if spec["color"] == "BGR":
            values = values[..., ::-1]
        if spec["layout"] == "NCHW":
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values if spec["layout"] == "HWC" else values[None], dtype=spec["dtype"]), placement

    def selftest(self) -> list[str]:
        """What differs from the answer that the trainer gave for the golden image; nothing when all is well."""
        folder = self.folder / "golden"
        try:
            expected = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
            image = folder / _inside(expected["image"])
        except OSError as error:
            raise WrapperError(f"the package has no golden answer: {error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise WrapperError(f"{folder / 'answer.json'} is damaged: {error!r}. Unpack the package again") from error
        wrong = [] if self.intact() else [f"{self.path.name} is not the file that metadata.json describes: its sha256 differs"]
        found = self.predict(image).to_json()
        try:
            return wrong + compare(expected, found)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise WrapperError(f"{folder / 'answer.json'} is damaged: {error!r}. Unpack the package again") from error

    def intact(self) -> bool:
        """Whether the model has the checksum of metadata.json; metadata inside a model cannot hold one."""
        expected = self.metadata["model"].get("sha256")
        return not expected or checksum(self.folder / _inside(self.metadata["model"]["file"])) == expected


def checksum(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names, in order."""
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        if path.is_dir():
            total.update(f"{file.relative_to(path).as_posix()}\n".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def _sides(spec: Mapping[str, Any]) -> list[int]:
    shape = spec["shape"]
    return shape[2:4] if spec["layout"] == "NCHW" else shape[-3:-1]


def _inside(name: str) -> Path:
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise WrapperError(f"metadata.json names the file {name}, which is outside the package")
    return path


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(METADATA_BYTES + 1)
    except OSError as error:
        raise WrapperError(f"{path} cannot be read: {error}. It lies beside the model in the package") from error
    if len(text) > METADATA_BYTES:
        raise WrapperError(f"{path} is larger than {METADATA_BYTES >> 20} MB")
    return _checked(text, str(path))


def _beside(model: Path) -> tuple[Path, dict[str, Any]]:
    """The package's folder, and metadata.json of it where it speaks of this file, else what the ONNX file says of itself."""
    for folder in (model.parent, model.parent.parent):
        if (folder / "metadata.json").is_file():
            metadata = _load(folder / "metadata.json")
            if folder / _inside(metadata["model"]["file"]) in {model, model.parent}:  # OpenVINO's model is a folder
                return folder, metadata
    if model.suffix == ".onnx":
        return model.parent, _within(model)
    raise WrapperError(f"there is no metadata.json that describes {model}: unpack the whole package, or pass metadata_path")


def _within(model: Path) -> dict[str, Any]:
    """What an ONNX file says of itself."""
    try:
        import onnxruntime
    except ImportError as error:
        raise WrapperError(f"{model.name} needs the package onnxruntime (pip install onnxruntime): {error}") from error
    try:
        inside = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).get_modelmeta().custom_metadata_map
    except Exception as error:
        raise WrapperError(f"onnxruntime cannot open {model.name}: {_first_line(error)}. Unpack the package again") from error
    if "metadata" not in inside:
        raise WrapperError(f"there is no metadata.json that describes {model}, and none in it: unpack the whole package, or pass metadata_path")
    return _checked(inside["metadata"], str(model))


def _checked(text: str | bytes, name: str) -> dict[str, Any]:
    try:
        metadata = json.loads(text)
        version = metadata["schema_version"]
        missing = {"model", "classes", "input", "preprocess", "outputs", "postprocess"} - set(metadata)
    except (ValueError, TypeError, KeyError) as error:
        raise WrapperError(f"{name} is no metadata of an exported model: {error!r}") from error
    if version != SCHEMA or missing:
        raise WrapperError(f"{name} has schema {version} and lacks {sorted(missing) or 'nothing'}; this wrapper reads schema {SCHEMA}: use the wrapper of the same package")
    return metadata


# --- comparison ---------------------------------------------------------------------------------


def compare(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Differences between two answers, beyond the tolerance that the expected one names."""
    bound = {"pixels": 0.5, "score": 0.01, "probability": 0.001, "mask_iou": 0.95, **expected.get("tolerance", {})}
    if "probabilities" in expected:
        return _compare_probabilities(expected["probabilities"], found.get("probabilities") or [], bound["probability"])
    wanted, left = expected["objects"], list(found.get("objects") or [])
    wrong = [] if len(wanted) == len(left) else [f"{len(wanted)} objects expected, {len(left)} found"]
    for number, want in enumerate(wanted):
        same = [o for o in left if o["class_index"] == want["class_index"]]
        if not same:
            wrong.append(f"object {number}: none of class {want['class_index']} found")
            continue
        got = max(same, key=lambda o: iou(np.array(want["bbox"]), np.array([o["bbox"]]))[0])
        left.remove(got)
        wrong += [f"object {number}: {text}" for text in _compare_object(want, got, bound)]
    return wrong


def _compare_probabilities(want: Sequence[float], got: Sequence[float], bound: float) -> list[str]:
    if len(want) != len(got):
        return [f"{len(want)} probabilities expected, {len(got)} found"]
    worst = float(np.abs(np.array(want) - np.array(got)).max())
    return [] if worst <= bound else [f"a probability differs by {worst:.6f}, more than {bound}"]


def _compare_object(want: Mapping[str, Any], got: Mapping[str, Any], bound: Mapping[str, float]) -> list[str]:
    wrong = []
    pixels = np.abs(np.array(want["bbox"]) - np.array(got["bbox"])).max()
    if not pixels <= bound["pixels"]:
        wrong.append(f"the box differs by {pixels:.3f} px, more than {bound['pixels']}")
    score = abs(want["confidence"] - got["confidence"])
    if not score <= bound["score"]:
        wrong.append(f"the confidence differs by {score:.4f}, more than {bound['score']}")
    if want.get("keypoints") is not None:
        points = np.abs(np.array(want["keypoints"])[:, :2] - np.array(got["keypoints"])[:, :2]).max()
        if not points <= bound["pixels"]:
            wrong.append(f"a keypoint differs by {points:.3f} px, more than {bound['pixels']}")
    if want.get("mask") is not None:
        height, width = want["mask"]["size"]
        a, b = (from_runs(o["mask"]["counts"], width, height) for o in (want, got))
        shared = (a & b).sum() / max((a | b).sum(), 1) if (a | b).any() else 1.0
        if not shared >= bound["mask_iou"]:
            wrong.append(f"the masks share {shared:.3f}, less than {bound['mask_iou']}")
    return wrong
