"""Every preset of every trainer, for every task it has, and every value of every select field: `make presets`, which takes too long for every change.

A preset has three epochs, from weights that were trained on drawings of the same kind: from nothing they are too few for most models, and easy
wants weights. Drawings are of three classes, so chance is an accuracy of 0.33; a model that answers nothing has an mAP50 of 0, one that calls
every pixel background a mIoU of 0.2.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fixtures
import pytest
import warm
from process import TRAINERS, environment

PRESETS = ("easy", "medium", "advanced")
WITHOUT_MOSAIC = {"nbs": 4, "mosaic": 0.0, "warmup_epochs": 1.0, "cos_lr": True}  # how YOLO learns 48 drawings in little time


@dataclass(frozen=True)
class Cell:
    """A trainer's model of a task, and what it must reach."""

    trainer: str
    task: str
    model: str
    data: Callable[[Path], Path]
    metric: str
    least: float
    rate: float
    size: int = 64
    base: dict[str, Any] = field(default_factory=dict)
    base_epochs: int = 8

    def __str__(self) -> str:
        return f"{self.trainer} {self.task} {self.model}"

    def schema(self) -> dict[str, Any]:
        return json.loads(subprocess.run([sys.executable, str(TRAINERS / self.trainer / "config_schema.py")], capture_output=True, text=True, check=True).stdout)

    def train(self, root: Path, options: list[dict[str, Any]], **more: object) -> list[dict[str, float]]:
        """The best of the metric and the last loss with each set of options, trained one after the other in one process."""
        settings = {"TASK_TYPE": self.task, "MODEL_NAME": self.model, "DATASET_DIR": root / "data", "EPOCHS": 3, "BATCH_SIZE": 6, "IMAGE_SIZE": self.size, "LEARNING_RATE": self.rate, "NUM_WORKERS": 0, "CHECKPOINT_FREQUENCY": 0, **more}
        command = [str(Path(__file__).with_name("probe_presets.py")), self.trainer, json.dumps({k: str(v) for k, v in settings.items()}), json.dumps(options), self.metric]
        found = warm.run(command, environment(None, package=TRAINERS / self.trainer), timeout=3600)
        assert found.returncode == 0, found.stderr[-3000:]
        return json.loads(found.stdout.splitlines()[-1])

    def weights(self, root: Path) -> Path:
        """Weights of a short training; a later one begins with them."""
        out = root / "base"
        self.train(root, [self.base], EPOCHS=self.base_epochs, KEEP=out, PRETRAINED="false", LEARNING_RATE=self.rate * (4 if self.trainer == "ultralytics" else 1))
        best = out / "best.pt"
        return best if best.exists() else max(out.iterdir(), key=lambda path: int(path.name.rsplit("-", 1)[1]))


def folders(root: Path) -> Path:
    return fixtures.write_imagefolder(root, train=60, val=45)


def masks(root: Path) -> Path:
    return fixtures.write_coco(root, train=48)


def yolo(task: str) -> Callable[[Path], Path]:
    return lambda root: fixtures.write_yolo(root, task, train=48, val=24)


def oriented(root: Path) -> Path:
    return fixtures.write_oriented(root, train=48, val=24)


CLASSIFIERS = [
    Cell("timm", "image_classification", "test_resnet", folders, "accuracy", 0.6, 0.003),
    Cell("huggingface", "image_classification", "vit-tiny-patch16-224", folders, "accuracy", 0.6, 0.001, 32),
    Cell("ultralytics", "image_classification", "yolo11n-cls", folders, "accuracy", 0.6, 0.001, base={"nbs": 8, "warmup_epochs": 1.0}, base_epochs=10),
]
OTHERS = [
    Cell("timm", "semantic_segmentation", "unet-test_resnet", masks, "mIoU", 0.4, 0.004),
    Cell("huggingface", "zero_shot_classification", "clip-vit-tiny-patch16", folders, "accuracy", 0.6, 0.001, 32),
    Cell("huggingface", "semantic_segmentation", "segformer-b0", masks, "mIoU", 0.4, 0.001),
    Cell("huggingface", "object_detection", "rtdetr-tiny", masks, "mAP50", 0.2, 0.001, 96, {"crop_scale_min": 1.0}, 20),
    Cell("ultralytics", "object_detection", "yolo11n", yolo("object_detection"), "mAP50", 0.2, 0.001, 96, WITHOUT_MOSAIC, 20),
    Cell("ultralytics", "instance_segmentation", "yolo11n-seg", yolo("instance_segmentation"), "mAP50(M)", 0.2, 0.001, 96, WITHOUT_MOSAIC, 20),
    Cell("ultralytics", "pose_estimation", "yolo11n-pose", yolo("pose_estimation"), "mAP50", 0.2, 0.001, 96, WITHOUT_MOSAIC, 20),
    Cell("ultralytics", "object_detection", "yolo11n-obb", oriented, "mAP50", 0.2, 0.001, 96, WITHOUT_MOSAIC, 20),
]


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize("cell", CLASSIFIERS + OTHERS, ids=str)
def test_every_preset_learns(cell: Cell, root: Path) -> None:
    cell.data(root / "data")
    found = cell.train(root, [cell.schema()["presets"][name] for name in PRESETS], PRETRAINED_WEIGHTS=cell.weights(root))
    best = {name: round(result["best"], 3) for name, result in zip(PRESETS, found, strict=True)}
    print(f"\n[presets] {cell}: {cell.metric} {best}")
    assert all(value > cell.least for value in best.values()), best


@pytest.mark.parametrize("cell", [CLASSIFIERS[0]], ids=str)
def test_the_moving_average_is_near_the_model(cell: Cell, root: Path) -> None:
    cell.data(root / "data")
    raw, average = (result["best"] for result in cell.train(root, [{}, {"model_ema": True}], PRETRAINED="false", EPOCHS=8))
    print(f"\n[presets] {cell}, 8 epochs from nothing: accuracy {raw:.3f}, of the average {average:.3f}")
    assert raw > cell.least and abs(average - raw) < 0.06, (raw, average)


@pytest.mark.parametrize("cell", CLASSIFIERS, ids=str)
def test_every_value_of_every_select_trains(cell: Cell, root: Path) -> None:
    cell.data(root / "data")
    values = [{f["name"]: value} for f in cell.schema()["fields"] if f["type"] == "select" for value in f["options"]]
    found = cell.train(root, values, PRETRAINED="false", EPOCHS=1)
    print(f"\n[presets] {cell}: {len(values)} values")
    wrong = [options for options, result in zip(values, found, strict=True) if not math.isfinite(result["loss"])]
    assert not wrong


@pytest.mark.parametrize("trainer", ["timm", "huggingface"])
def test_every_policy_of_augmentation_takes_10000_images(trainer: str) -> None:
    found = warm.run([str(Path(__file__).with_name("probe_policies.py"))], environment(None, package=TRAINERS / trainer))
    assert found.returncode == 0, found.stderr[-2000:]
