"""Asks the Ultralytics trainer which tensors of a head it takes from weights of other classes; prints what is wrong, as JSON."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import offline  # noqa: F401  before ultralytics
import torch
from heads import scoring
from job_trainer import job_trainer
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import ClassificationModel, DetectionModel, OBBModel, PoseModel, SegmentationModel

OURS = ["red", "green", "blue"]
MODELS = {
    "yolo11n": ("detect", DetectionModel), "yolo26n": ("detect", DetectionModel), "yolo26n-seg": ("segment", SegmentationModel), "yolo11n-pose": ("pose", PoseModel),
    "yolo11n-obb": ("obb", OBBModel), "yolo11n-cls": ("classify", ClassificationModel),
}
wrong: list[str] = []


class Heard:
    """The platform's last event."""

    message = ""

    def event(self, _kind: str, message: str, _data: Any) -> None:
        self.message = message


def taken(name: str, theirs: list[str]) -> tuple[Any, Any, str]:
    """The model for OURS from weights of other classes, these, and what was said."""
    task, cls = MODELS[name]
    more = {"data_kpt_shape": [3, 3]} if task == "pose" else {}
    weights = cls(f"{name}.yaml", nc=len(theirs), verbose=False, **more)
    weights.names = dict(enumerate(theirs))
    trainer = object.__new__(job_trainer(task))
    trainer.job = SimpleNamespace(classes=lambda: [SimpleNamespace(name=name) for name in OURS])
    trainer.platform, trainer.resume, trainer.finished = Heard(), False, False
    trainer.args = get_cfg(overrides={"task": task, "pretrained": str(Path("w.pt"))})
    trainer.data = {"nc": 3, "channels": 3, "names": dict(enumerate(OURS)), "kpt_shape": [3, 3]}
    kept = {key: tensor.clone() for key, tensor in weights.state_dict().items()}
    return trainer.get_model(f"{name}.yaml", weights, verbose=False), kept, trainer.platform.message


def check(name: str, theirs: list[str], fresh: bool, said: str) -> None:
    torch.manual_seed(len(wrong))
    model, kept, message = taken(name, theirs)
    scores = scoring(model)
    state = model.state_dict()
    if not scores:
        wrong.append(f"{name}: no layer scores classes")
    for key in (key for key in state if key not in scores):
        if key.endswith("weight") and not torch.equal(state[key], kept[key]):
            wrong.append(f"{name} of {theirs}: {key} was not taken")
    same = [key for key in scores if key.endswith("weight") and state[key].shape == kept[key].shape and torch.equal(state[key], kept[key])]
    if bool(same) == fresh:
        wrong.append(f"{name} of {theirs}: taken are {same}")
    if said not in message or (not fresh and "fresh" in message):
        wrong.append(f"{name} of {theirs}: {message}")


for name in MODELS:
    check(name, ["a", "b", "c"], True, "its head is of the classes a, b, c")
    check(name, OURS, False, "tensors from w.pt")
    check(name, ["blue", "green", "red"], True, "its head is of the classes blue, green, red")
check("yolo11n", ["0", "1", "2"], True, "its head names no classes")
check("yolo11n", ["Red", "green ", "blue"], False, "tensors from w.pt")
model, kept, message = taken("yolo11n", ["a", "red"])
row = next(key for key in scoring(model) if key.endswith("weight"))
if not torch.equal(model.state_dict()[row][0], kept[row][1]) or "red came from it by name" not in message:
    wrong.append(f"the row of red was not taken: {message}")
print(json.dumps(wrong))
