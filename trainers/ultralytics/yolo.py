"""A YOLO model as trainer_vision's inference uses it: Ultralytics' own preprocessing and suppression, batched by shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import explanation
import numpy as np
import torch
import torchvision  # noqa: F401  Ultralytics' suppression is a loop in Python where nobody has imported it
from PIL import Image
from reading import imread
from trainer_sdk import Job, JobError
from trainer_sdk.inference import InferenceRequest
from trainer_vision.inference import Objects, Predictor
from trainer_vision.inference.coco import runs
from trainer_vision.processes import ready_to_predict
from ultralytics import YOLO
from ultralytics.data.augment import LetterBox, classify_transforms
from ultralytics.engine.results import Results
from ultralytics.utils import YAML, nms, ops
from ultralytics.utils.checks import check_imgsz
from ultralytics.utils.metrics import batch_probiou

TASKS = {"obb": "object_detection", "detect": "object_detection", "segment": "instance_segmentation", "pose": "pose_estimation", "classify": "image_classification"}
CONFIDENCE, OVERLAP = 0.25, 0.7  # Ultralytics' own, for what nobody set
FLOOR = 0.001  # confidence down to which its validation looks
MOST = 300  # detections an image
DEFAULT_SIZE = 640
NO_NUMBER = Objects(np.full((1, 4), np.nan), np.zeros(1, dtype=int), np.full(1, np.nan))  # the answer to an image for which the model has none
PATIENCE = 3600.0  # seconds an image: Ultralytics' limit leaves the rest of a batch without detections, and says so only in its log


def load_model(checkpoint: Path, task: str | None = None) -> YOLO:
    """A checkpoint, or an exported model, which does not say what it is for: the job's task does."""
    known = {name: kind for kind, name in TASKS.items()}
    try:
        return YOLO(checkpoint, task=None if checkpoint.suffix == ".pt" else known.get(task or "object_detection"))
    except Exception as error:
        raise unreadable(checkpoint, error) from error


def unreadable(checkpoint: Path, error: Exception) -> JobError:
    """Without Ultralytics' advice to take another model."""
    return JobError(f"cannot read the checkpoint {checkpoint.name}: {(str(error).splitlines() or [type(error).__name__])[0]}")


def device(job: Job) -> str:
    return "0" if job.device == "cuda" else job.device.removeprefix("cuda:")


def read(path: Path) -> np.ndarray:
    """BGR, as the training read it; EXIF rotation is applied."""
    image = imread(path, cv2.IMREAD_COLOR)
    if image is None:
        raise JobError(f"the image {path} cannot be read: it is none, or cut short")
    return image


def picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[..., ::-1]))


def from_picture(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image)[..., ::-1])


def names_of(known: Mapping[int, str], job: Job) -> list[str]:
    """The class names, without the word that the agent puts before what Ultralytics takes for an ImageNet code."""
    names = [known[i] for i in sorted(known)]
    classes = job.classes()
    if names and classes and names[0] == f"class {classes[0].name}":
        names[0] = classes[0].name
    return names


class Backend:
    """The model on its device, as Ultralytics' predictor of the task sets it up."""

    def __init__(self, model: YOLO, request: InferenceRequest, device: str) -> None:
        self.size = request.image_size or model.overrides.get("imgsz", DEFAULT_SIZE)
        self.trained = isinstance(model.model, torch.nn.Module)  # else an exported file
        overrides = {**model.overrides, "mode": "predict", "save": False, "verbose": False, "imgsz": self.size, "device": device, "conf": FLOOR, "max_det": MOST}
        self.predictor = model._smart_load("predictor")(overrides=overrides, _callbacks=model.callbacks)
        try:
            self.predictor.setup_model(model.model, verbose=False)
        except JobError:
            raise
        except Exception as error:  # of an exported file it is read only here
            raise unreadable(request.checkpoint, error) from error
        self.network = self.predictor.model
        ready_to_predict(self.network)  # after Ultralytics, which leaves a processor out
        self.fixed = not self.trained and not self.network.dynamic
        if self.fixed:
            self.size = list(self.network.imgsz)

    @torch.inference_mode()
    def run(self, images: torch.Tensor) -> Any:
        raw = self.network(images)
        if images.is_cuda:
            torch.cuda.synchronize(images.device)
        return raw


class Detector(Backend):
    """Boxes, with outlines or keypoints."""

    def __init__(self, model: YOLO, request: InferenceRequest, device: str, letterbox: LetterBox | None = None) -> None:
        super().__init__(model, request, device)
        self.confidence = CONFIDENCE if request.confidence is None else request.confidence
        self.overlap = OVERLAP if request.iou is None else request.iou
        self.stride = max(int(self.network.stride), 32)
        self.letterbox = letterbox or LetterBox(check_imgsz(self.size, stride=self.stride, min_dim=2), auto=not self.fixed, stride=self.stride)
        height, width = self.letterbox.new_shape  # the next larger one, where the stride does not divide what was asked for
        self.size = height if height == width else [height, width]
        self.segments, self.rotated, self.boxes_only = model.task == "segment", model.task == "obb", model.task == "detect"

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return self.letterbox(image=image)

    @torch.inference_mode()
    def infer(self, batch: list[np.ndarray]) -> tuple[Any, torch.Tensor]:
        images = torch.from_numpy(np.stack(batch)).to(self.predictor.device).permute(0, 3, 1, 2)
        images = (images.contiguous() if images.is_cuda else images).flip(1)
        images = (images.half() if self.network.fp16 else images.float()).div_(255)
        return self.run(images), images

    @torch.inference_mode()
    def decode(self, raw: tuple[Any, torch.Tensor], sizes: list[tuple[int, int]], measured: bool) -> Sequence[Objects]:
        """Measured as Ultralytics' validation does: every class of a box counts, down to a confidence near zero."""
        answer, images = raw
        more = {}
        if self.segments:
            more["protos"] = answer[0][1] if isinstance(answer[0], tuple) else answer[1]
            answer = answer[0]
        broken = not_a_number(answer, *more.values())
        kept = nms.non_max_suppression(
            answer, FLOOR if measured else self.confidence, self.overlap, multi_label=measured, max_det=MOST,
            nc=0 if self.boxes_only else len(self.network.names), rotated=self.rotated, end2end=getattr(self.network, "end2end", False),
            max_time_img=PATIENCE,
        )
        # Only the shapes of the originals matter here, so they take no memory.
        originals = [np.broadcast_to(np.uint8(0), (height, width, 3)) for width, height in sizes]
        self.predictor.batch = ([""] * len(sizes),)
        results = self.predictor.construct_results([k.clone() for k in kept], images, originals, **more)
        return [NO_NUMBER if nan else objects(result, measured) for nan, result in zip(broken, results, strict=True)]


def not_a_number(*answers: Any) -> list[bool]:
    """Of which images an answer is NaN or infinite: suppression leaves such candidates out, and a broken model would find nothing and say nothing."""
    sums = []
    for answer in answers:
        while isinstance(answer, list | tuple):
            answer = answer[0]
        sums.append(answer.flatten(1).sum(1, dtype=torch.float32))
    return (~torch.stack(sums).isfinite().all(0)).tolist()


def objects(result: Results, measured: bool = False) -> Objects:
    if result.obb is not None:  # rotated: the outline, and the upright box around it
        rotated = result.obb.cpu().numpy()
        return Objects(rotated.xyxy.astype(float), rotated.cls.astype(int), rotated.conf.astype(float), list(rotated.xyxyxyxy))
    found = result.boxes.cpu().numpy()
    polygons = pixels = None
    if result.masks is not None:
        polygons = list(result.masks.xy)
        pixels = runs(within(result.masks.data, result.orig_shape)) if measured else None
    points = result.keypoints.data.float().cpu().numpy() if result.keypoints is not None else None
    if points is not None and points.shape[-1] == 2:
        points = np.concatenate([points, np.ones((*points.shape[:2], 1), points.dtype)], 2)
    return Objects(found.xyxy.astype(float), found.cls.astype(int), found.conf.astype(float), polygons, points, pixels)


def within(masks: torch.Tensor, shape: tuple[int, int]) -> np.ndarray:
    """Masks (n, h, w) without the margins that LetterBox has put around the picture."""
    height, width = masks.shape[1:]
    ratio = min(height / shape[0], width / shape[1])
    inner = max(1, round(shape[0] * ratio)), max(1, round(shape[1] * ratio))
    top, left = round((height - inner[0]) / 2 - 0.1), round((width - inner[1]) / 2 - 0.1)
    return masks[:, top : top + inner[0], left : left + inner[1]].cpu().numpy()


class Labels:
    """The labels of a prepared YOLO dataset: images/val/x.png has labels/val/x.txt."""

    def __init__(self, job: Job, task: str) -> None:
        self.root, self.task, self.points = job.dataset_dir, task, 0
        if task == "pose" and job.dataset_config.is_file():
            self.points = YAML.load(job.dataset_config)["kpt_shape"][0]

    def read(self, path: Path, width: int, height: int) -> Objects:
        relative = path.relative_to(self.root)
        file = self.root.joinpath("labels", *relative.parts[1:]).with_suffix(".txt")
        rows = [[float(v) for v in line.split()] for line in file.read_text().splitlines() if line.strip()] if file.is_file() else []
        scale = np.array([width, height])
        classes = np.array([int(row[0]) for row in rows], dtype=int)
        outlines = [outline(row[1:5] if self.task == "pose" else row[1:]) * scale for row in rows]
        boxes = np.array([[*points.min(0), *points.max(0)] for points in outlines]).reshape(-1, 4)
        outlined = self.task in {"segment", "obb"}
        keypoints = None
        if self.task == "pose":
            keypoints = np.ones((len(rows), self.points, 3))
            for i, row in enumerate(rows):
                points = np.array(row[5:]).reshape(self.points, -1)
                keypoints[i, :, : points.shape[1]] = points
            keypoints[..., :2] *= scale
        return Objects(boxes, classes, np.ones(len(rows)), outlines if outlined else None, keypoints)


def rotated_overlap(found: Sequence[np.ndarray], labelled: Sequence[np.ndarray]) -> np.ndarray:
    """As Ultralytics' training measures rotated boxes: by their Gaussians (ProbIoU), which forgive more than the IoU of their areas."""
    rows, columns = (torch.from_numpy(np.stack([ops.xyxyxyxy2xywhr(np.float32(ring)[None])[0] for ring in rings])) for rings in (found, labelled))
    return batch_probiou(rows, columns).numpy()


def outline(values: Sequence[float]) -> np.ndarray:
    """The corners of a row, as fractions: of four numbers a box (centre and size), of more an outline, as Ultralytics reads it."""
    if len(values) > 4:
        return np.array(values).reshape(-1, 2)
    x, y, w, h = values
    return np.array([[x - w / 2, y - h / 2], [x + w / 2, y - h / 2], [x + w / 2, y + h / 2], [x - w / 2, y + h / 2]])


def detector(model: YOLO, job: Job, request: InferenceRequest, device: str, letterbox: LetterBox | None = None) -> Predictor:
    """With a letterbox of one's own every image has its shape; else as little is padded as the stride allows."""
    network = Detector(model, request, device, letterbox)
    return Predictor(
        names_of(network.network.names, job), network.prepare, network.infer, network.decode, read, picture, truth=Labels(job, model.task).read, task=TASKS[model.task],
        from_picture=from_picture,
        settings={"confidence": network.confidence, "iou": network.overlap, "image_size": network.size}, overlap=rotated_overlap if network.rotated else None,
        differentiable=(lambda: explanation.detector(load_model(request.checkpoint).model, network.letterbox, network.predictor.device)) if network.trained else None,
    )


def classifier(model: YOLO, job: Job, request: InferenceRequest, device: str) -> Predictor:
    network = Backend(model, request, device)
    size = network.size if isinstance(network.size, int) else network.size[0]
    own = getattr(network.network.model, "transforms", None) if network.trained else None
    transforms = own if own is not None and getattr(own.transforms[0], "size", None) == size else classify_transforms(size)

    def infer(batch: list[torch.Tensor]) -> Any:
        images = torch.stack(batch).to(network.predictor.device)
        return network.run(images.half() if network.network.fp16 else images.float())

    def decode(raw: Any, _sizes: list[tuple[int, int]], _measured: bool) -> Sequence[np.ndarray]:
        scores = raw[0] if isinstance(raw, list | tuple) else raw
        return list(scores.float().cpu().numpy())

    return Predictor(
        names_of(network.network.names, job), lambda image: transforms(picture(image)), infer, decode, read, picture, from_picture=from_picture, task=TASKS["classify"],
        settings={"image_size": size},
        differentiable=(lambda: explanation.classifier(load_model(request.checkpoint).model, transforms, size, network.predictor.device)) if network.trained else None,
    )
