"""object_detection with transformers' Trainer: RT-DETR, or any model of AutoModelForObjectDetection."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import preprocessing
import torch
from job_trainer import JobTrainer
from PIL import Image
from reports import JobCallback
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.ops import box_convert
from torchvision.transforms import v2
from trainer_sdk import Job, JobError
from trainer_vision.choices import say
from trainer_vision.coco_folder import check_categories, read_document
from trainer_vision.images import read_image
from trainer_vision.inference import Objects
from trainer_vision.inference.measure import Measured, ObjectMeasure
from trainer_vision.processes import PROCESSES
from trainer_vision.split_labels import check_labelled
from transformers import EvalPrediction, TrainingArguments

# Options that mean nothing for boxes, and the value with which each is off.
IGNORED: Mapping[str, Any] = {"auto_augment": "none", "reprob": 0.0, "label_smoothing_factor": 0.0}
STRIDE = 32  # pixels; the coarsest features of every backbone here
MOST = 100  # objects an image that are kept, as COCO counts
CONFIDENCE = 0.25  # of the confusion matrix and of the per-image results

Target = dict[str, torch.Tensor]
"""class_labels (n) and boxes (n, 4), centre and size as fractions: what the models take."""

Transform = Callable[[Image.Image, torch.Tensor, torch.Tensor], tuple[torch.Tensor, Target]]
"""(image, boxes as corners in pixels, class indices) → (input of the model, its target)."""


class SplitBoxes(Dataset[tuple[torch.Tensor, Target, str]]):
    """One split: (input of the model, its target, path relative to the images of the split) by index. Nothing is learned from crowds."""

    transform: Transform

    def __init__(self, job: Job, split: str) -> None:
        self.classes = job.classes()
        self.root = job.dataset_dir / "images" / split
        document = read_document(job, split)
        check_categories(document["categories"], self.classes, split)
        self.images: list[Mapping[str, Any]] = document["images"]
        self.boxes: dict[Any, list[list[float]]] = {image["id"]: [] for image in self.images}  # x1, y1, x2, y2 in pixels
        self.labels: dict[Any, list[int]] = {image["id"]: [] for image in self.images}
        self.crowds: dict[Any, list[tuple[list[float], int]]] = {image["id"]: [] for image in self.images}
        for row in document["annotations"]:
            x, y, w, h = row["bbox"]
            box, label = [x, y, x + w, y + h], row["category_id"] - 1
            if row["iscrowd"]:
                self.crowds[row["image_id"]].append((box, label))
            else:
                self.boxes[row["image_id"]].append(box)
                self.labels[row["image_id"]].append(label)
        say(f"[trainer] {split}: {len(self.images)} images with {sum(map(len, self.labels.values()))} objects of {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, Target, str]:
        entry = self.images[index]
        boxes = torch.tensor(self.boxes[entry["id"]], dtype=torch.float32).reshape(-1, 4)
        labels = torch.tensor(self.labels[entry["id"]], dtype=torch.int64)
        return (*self.transform(read_image(self.root / entry["file_name"]), boxes, labels), str(entry["file_name"]))

    def check_labelled(self, split: str) -> None:
        check_labelled(split, len(self), any(self.labels.values()))

    def truth(self, index: int) -> Objects:
        key = self.images[index]["id"]
        crowds = labelled([box for box, _ in self.crowds[key]], [label for _, label in self.crowds[key]])
        return replace(labelled(self.boxes[key], self.labels[key]), crowds=crowds)


def labelled(boxes: Sequence[Sequence[float]], classes: Sequence[int]) -> Objects:
    return Objects(np.array(boxes, dtype=float).reshape(-1, 4), np.array(classes, dtype=int), np.ones(len(classes)))


class Labels:
    """The labelled objects of a prepared dataset, by an image's path."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.splits: dict[str, dict[str, Objects]] = {}

    def read(self, path: Path, _width: int, _height: int) -> Objects:
        split, *inside = path.relative_to(self.job.dataset_dir / "images").parts
        if split not in self.splits:
            boxes = SplitBoxes(self.job, split)
            self.splits[split] = {entry["file_name"]: boxes.truth(i) for i, entry in enumerate(boxes.images)}
        return self.splits[split]["/".join(inside)]


def splits(job: Job, _options: Mapping[str, Any]) -> tuple[SplitBoxes, SplitBoxes]:
    if job.image_size % STRIDE:
        raise JobError(f"IMAGE_SIZE {job.image_size} is not a multiple of {STRIDE}, which detectors here want; use {max(round(job.image_size / STRIDE), 1) * STRIDE}")
    train, val = SplitBoxes(job, "train"), SplitBoxes(job, "val")
    train.check_labelled("train")
    val.check_labelled("val")
    return train, val


def outputs(classes: Sequence[str], _options: Mapping[str, Any]) -> list[str]:
    return list(classes)


def trainer(names: Sequence[str], val: SplitBoxes, callback: JobCallback, more: Mapping[str, Any], *, args: TrainingArguments, **arguments: Any) -> BoxTrainer:
    if PROCESSES > 1:
        raise JobError("object_detection here is for one process, because its labels have another shape in each")
    args.batch_eval_metrics, args.include_for_metrics, args.label_smoothing_factor = True, ["loss"], 0.0
    return BoxTrainer(args=args, data_collator=collate, compute_metrics=Measuring(names, val, callback), eval_dataset=val, callbacks=[callback], **arguments)


def set_transforms(train: SplitBoxes, val: SplitBoxes, how: preprocessing.Preprocessing, options: Mapping[str, Any]) -> None:
    strength = options["color_jitter"]
    # The smallest share of the image is an area, the transform's of a side.
    crop = [v2.RandomIoUCrop(min_scale=math.sqrt(max(options["crop_scale_min"], 0.01)))] if options["crop_scale_min"] < 1 else []
    train.transform = _transform(how, *crop, v2.RandomHorizontalFlip(options["hflip"]), *([v2.ColorJitter(strength, strength, strength)] if strength else []))
    val.transform = eval_transform(how)


def eval_transform(how: preprocessing.Preprocessing) -> Transform:
    return _transform(how)


def _transform(how: preprocessing.Preprocessing, *steps: Any) -> Transform:
    """The whole image is squeezed into the model's square input."""
    compose = v2.Compose([
        v2.ToImage(), *steps, v2.Resize([how.size, how.size], interpolation=preprocessing.RESAMPLE[how.resample], antialias=True),
        v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(how.mean), list(how.std)), v2.SanitizeBoundingBoxes(),
    ])

    def transform(image: Image.Image, boxes: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, Target]:
        framed = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(image.height, image.width))
        pixels, target = compose(image, {"boxes": framed, "labels": labels})
        fractions = box_convert(target["boxes"].as_subclass(torch.Tensor), "xyxy", "cxcywh") / how.size
        return pixels.as_subclass(torch.Tensor), {"class_labels": target["labels"], "boxes": fractions}

    return transform


def collate(batch: list[tuple[torch.Tensor, Target, str]]) -> dict[str, Any]:
    return {"pixel_values": torch.stack([image for image, _, _ in batch]), "labels": [target for _, target, _ in batch]}


def best_boxes(logits: torch.Tensor, boxes: torch.Tensor, classes: int) -> torch.Tensor:
    """The most likely objects of every image, (n, MOST, 6): x1, y1, x2, y2 as fractions, score, class."""
    # DETR has an answer more than classes, for no object; the others score every class by itself.
    logits = logits.float().masked_fill(logits.isposinf(), torch.nan)  # infinitely sure is broken, and a score of 1 would hide it
    scores = logits.softmax(-1)[..., :-1] if logits.shape[-1] == classes + 1 else logits.sigmoid()
    top, where = scores.flatten(1).topk(min(MOST, scores[0].numel()), dim=1)
    corners = box_convert(boxes.float(), "cxcywh", "xyxy").gather(1, (where // classes)[..., None].expand(-1, -1, 4))
    return torch.cat([corners, top[..., None], (where % classes)[..., None].float()], 2)


def objects(rows: np.ndarray, width: int, height: int) -> Objects:
    """Of one image's rows of best_boxes, in its pixels; what a model sees beyond the edges is cut off."""
    size = np.array([width, height, width, height])
    return Objects((rows[:, :4] * size).clip(0, size), rows[:, 5].astype(int), rows[:, 4])


def sure(found: Objects, confidence: float) -> Objects:
    """Those that are sure enough. NaN stays: it is told as what it is, not as nothing found."""
    return found.take(np.flatnonzero(~(found.scores < confidence)))


@contextlib.contextmanager
def told_of_divergence() -> Iterator[None]:
    """The matching of boxes with labels refuses those that are NaN, with a dump of them in place of the reason. A batch norm refuses a single number."""
    try:
        yield
    except ValueError as error:
        if "boxes1 must be in" in str(error) or "infeasible" in str(error) or "invalid numeric entries" in str(error):
            raise JobError("the training has diverged: the boxes of the model are NaN. Set a lower LEARNING_RATE, or a longer warmup_ratio") from error
        if "more than 1 value per channel" in str(error):
            raise JobError("a batch norm cannot learn from a single image as small as this: set BATCH_SIZE to 2 or more (a number that leaves no single image at the end of an epoch), or IMAGE_SIZE to 64 or more") from error
        raise


class BoxTrainer(JobTrainer):
    """Trainer whose evaluation answers with the best boxes, which have one shape for every batch."""

    def compute_loss(self, *arguments: Any, **named: Any) -> Any:
        with told_of_divergence():
            return super().compute_loss(*arguments, **named)

    def prediction_step(self, model: torch.nn.Module, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: Any = None) -> tuple[Any, Any, Any]:
        inputs = self._prepare_inputs(inputs)
        with told_of_divergence(), torch.no_grad(), self.compute_loss_context_manager():
            outputs = model(**inputs)
        found = best_boxes(outputs.logits, outputs.pred_boxes, self.model.config.num_labels)
        return outputs.loss.detach(), found, torch.zeros(len(found), device=found.device)  # the truth is the dataset's


@dataclass(frozen=True)
class BoxResults:
    """The results of one validation run."""

    measured: Measured
    entries: list[dict[str, Any]]

    def images(self) -> list[dict[str, Any]]:
        return self.entries

    def validation(self) -> dict[str, Any]:
        m = self.measured
        return {"per_class_metrics": m.per_class_metrics, "confusion_matrix": m.confusion_matrix, "pr_curves": m.pr_curves, "num_images": len(self.entries)}


class Measuring:
    """compute_metrics of Trainer, batch by batch, in the order of the split."""

    def __init__(self, names: Sequence[str], val: SplitBoxes, callback: JobCallback) -> None:
        self.names, self.val, self.callback = names, val, callback
        self._start()

    def _start(self) -> None:
        self.measure = ObjectMeasure(self.names, "object_detection", CONFIDENCE)
        self.entries: list[dict[str, Any]] = []
        self.losses: list[float] = []

    def __call__(self, predicted: EvalPrediction, compute_result: bool = True) -> dict[str, float]:
        self.losses += np.ravel(torch.as_tensor(predicted.losses).float().cpu().numpy()).tolist()
        for rows in torch.as_tensor(predicted.predictions).cpu().numpy():
            index = len(self.entries)
            entry = self.val.images[index]
            every = objects(rows, entry["width"], entry["height"])
            shown, truth = every.take(np.flatnonzero(every.scores >= CONFIDENCE)), self.val.truth(index)
            self.measure.add(entry["file_name"], shown, every, truth, (entry["width"], entry["height"]))
            self.entries.append({"file_name": entry["file_name"], "bbox_format": "xyxy", "predictions": self._described(shown, True), "ground_truth": self._described(truth, False)})
        if not compute_result:
            return {}
        self.callback.results = BoxResults(self.measure.result(), self.entries)
        measured = {**self.callback.results.measured.overall_metrics, "val_loss": float(np.mean(self.losses))}
        self._start()
        return measured

    def _described(self, found: Objects, scored: bool) -> list[dict[str, Any]]:
        return [
            {"bbox": [round(v, 2) for v in box], "class_id": int(c), "class_name": self.names[c], **({"confidence": round(float(score), 5)} if scored else {})}
            for box, c, score in zip(found.boxes.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True)
        ]
