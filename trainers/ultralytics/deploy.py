"""A YOLO model as trainer_vision.deploy exports it: its raw answer, and Ultralytics' own predictor beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MethodType
from typing import Any

import torch
from torch import nn
from trainer_sdk import Job, JobError
from trainer_sdk.export import ExportRequest
from trainer_sdk.inference import InferenceRequest
from trainer_vision.deploy.subject import CLASSIFY, LETTERBOX, SHORTEST_CROP, Objects, Preprocess, Subject
from ultralytics.data.augment import LetterBox
from ultralytics.nn.modules import C2f, Classify, Detect
from yolo import CONFIDENCE, DEFAULT_SIZE, MOST, OVERLAP, classifier, detector, load_model, names_of

STRIDE = 32


class Raw(nn.Module):
    """The network's decoded answer as export wants it: boxes with what rides along, and the prototypes of masks; of a classifier its logits."""

    def __init__(self, network: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.network = network
        head = network.model[-1]
        self.classifies = isinstance(head, Classify)
        for module in network.modules():
            if isinstance(module, C2f):
                module.forward = module.forward_split
        if isinstance(head, Detect):
            head.export, head.max_det = True, MOST
            with torch.no_grad():
                network(torch.zeros(1, 3, *size))
            head._get_decode_boxes = MethodType(decoded, head)

    def forward(self, images: torch.Tensor) -> Any:
        answer = self.network(images)
        return answer[1] if self.classifies else answer


def decoded(head: Detect, x: dict[str, Any]) -> torch.Tensor:
    """Ultralytics' own, with the anchors of the one size that there is: theirs looks at the batch, which is free.

    What a model in half precision answers becomes float first: from 512 pixels on half precision knows every other half of a pixel only.
    """
    x.update({name: one.float() for name, one in x.items() if isinstance(one, torch.Tensor) and one.dtype == torch.float16})
    return head.decode_bboxes(head.dfl(x["boxes"]), head.anchors.unsqueeze(0), x.get("angle")) * head.strides


def subject(job: Job, request: ExportRequest) -> Subject:
    network = load_model(request.checkpoint, job.task)
    trained = network.overrides.get("imgsz", DEFAULT_SIZE)
    size = request.input_size or ((trained, trained) if isinstance(trained, int) else tuple(trained))
    asked = InferenceRequest(
        request.checkpoint, images=(), output_dir=request.output_dir, labelled=False, split="val", batch_size=1,
        image_size=size[0], confidence=request.confidence, iou=request.iou, visualize=False,
    )
    make = _classifier if network.task == CLASSIFY else _detector
    return make(job, network, asked, size)


def _classifier(job: Job, network: Any, asked: InferenceRequest, size: Sequence[int]) -> Subject:
    if size[0] != size[1]:
        raise JobError(f"INPUT_SIZE {list(size)} is not square, which classifiers want")
    predictor = classifier(load_model(asked.checkpoint), job, asked, "cpu")
    how = Preprocess(SHORTEST_CROP, *size, shortest=size[0], antialias=True)
    return Subject(Raw(own(network), (size[0], size[1])), CLASSIFY, "ultralytics", architecture(network, asked.checkpoint), names_of(network.names, job), how, predictor)


def _detector(job: Job, network: Any, asked: InferenceRequest, size: Sequence[int]) -> Subject:
    if any(side % STRIDE for side in size):
        raise JobError(f"INPUT_SIZE {list(size)}: this model wants multiples of {STRIDE}, for example {[max(STRIDE, round(side / STRIDE) * STRIDE) for side in size]}")
    predictor = detector(load_model(asked.checkpoint), job, asked, "cpu", letterbox=LetterBox((size[0], size[1]), auto=False))
    raw = Raw(own(network), (size[0], size[1]))
    head = raw.network.model[-1]
    points = getattr(head, "kpt_shape", None)
    how = Objects(
        CONFIDENCE if asked.confidence is None else asked.confidence, OVERLAP if asked.iou is None else asked.iou, MOST, bool(head.end2end),
        coefficients=getattr(head, "nm", 0) if network.task == "segment" else 0, keypoints=(points[0], points[1]) if points else None,
    )
    return Subject(
        raw, network.task, "ultralytics", architecture(network, asked.checkpoint), names_of(network.names, job), Preprocess(LETTERBOX, *size), predictor, how,
        sensitive=(f"network.model.{len(raw.network.model) - 1}",),
    )


def own(network: Any) -> nn.Module:
    """In full precision, with batch norms folded into the convolutions, and without gradients."""
    return network.model.float().eval().fuse(verbose=False).requires_grad_(False)


def architecture(network: Any, checkpoint: Path) -> str:
    return Path(str(network.model.yaml.get("yaml_file", checkpoint.name))).stem


