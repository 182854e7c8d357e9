"""Every preset of every trainer, for every task, three epochs or more and clearly better than chance; and every value of every select
and both of every flag, one epoch each. `make presets` runs it (about 20 minutes on one core; no part of CI, which has a sample of it).

Arguments: trainers to do (all). The exit code says whether all held; the table says what each came to.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fixtures
from process import TRAINERS, environment

PROBE = Path(__file__).with_name("probe_presets.py")


@dataclasses.dataclass(frozen=True)
class Case:
    """A trainer at a task: with `epochs` of its presets the metric must come above `above`."""

    trainer: str
    task: str
    model: str
    metric: str
    chance: float
    above: float
    epochs: int = 3
    size: int = 64
    rate: float = 0.003
    more: tuple[tuple[str, Any], ...] = ()  # options for all of its trainings


# Masks: all background is 0.2. Boxes: a detector that has learnt nothing finds none.
CASES = [
    Case("timm", "image_classification", "test_resnet", "accuracy", 0.33, 0.6),
    Case("timm", "semantic_segmentation", "unet-test_resnet", "mIoU", 0.2, 0.3),
    Case("huggingface", "image_classification", "vit-tiny-patch16-224", "accuracy", 0.33, 0.6, size=32, rate=0.001),
    Case("huggingface", "zero_shot_classification", "clip-vit-tiny-patch16", "accuracy", 0.33, 0.6, size=32, rate=0.001),
    Case("huggingface", "semantic_segmentation", "segformer-b0", "mIoU", 0.2, 0.3, rate=0.001),
    Case("huggingface", "object_detection", "rtdetr-tiny", "mAP50", 0.0, 0.05, epochs=8, rate=0.002),
    Case("ultralytics", "image_classification", "yolo11n-cls", "accuracy", 0.33, 0.6),
    Case("ultralytics", "object_detection", "yolo11n", "mAP50", 0.0, 0.05, epochs=10, more=(("nbs", 8), ("warmup_epochs", 1.0))),
    Case("ultralytics", "instance_segmentation", "yolo11n-seg", "mAP50", 0.0, 0.05, epochs=10, more=(("nbs", 8), ("warmup_epochs", 1.0))),
]


def dataset(case: Case, root: Path) -> Path:
    kind = "folders" if case.task.endswith("classification") else "coco" if case.trainer != "ultralytics" else case.task
    folder = root / kind
    if not folder.exists():
        if kind == "folders":
            fixtures.write_imagefolder(folder, train=90, val=30)
        elif kind == "coco":
            fixtures.write_coco(folder, train=90, val=30)
        else:
            fixtures.write_yolo(folder, kind, 90, 30)
    return folder


def train(case: Case, root: Path, options: list[dict[str, Any]], **job: Any) -> list[float]:
    """The best value of the metric with each set of options."""
    settings = {
        "TASK_TYPE": case.task, "MODEL_NAME": case.model, "DATASET_DIR": dataset(case, root), "IMAGE_SIZE": case.size, "LEARNING_RATE": case.rate, "EPOCHS": case.epochs,
        "BATCH_SIZE": 6, "NUM_WORKERS": 0, "CHECKPOINT_FREQUENCY": 0, "DEVICE": "cpu", "PRIMARY_METRIC": case.metric, "CONFIG_JSON": "{}", **job,
    }
    sets = [{**dict(case.more), **each} for each in options]
    command = [sys.executable, str(PROBE), case.trainer, json.dumps({k: str(v) for k, v in settings.items()}), json.dumps(sets)]
    found = subprocess.run(command, capture_output=True, text=True, env=environment(None, package=TRAINERS / case.trainer))
    if found.returncode:
        raise SystemExit(f"{case.trainer}, {case.task}: {found.stderr[-4000:]}")
    return [float(value) for value in json.loads(found.stdout.splitlines()[-1])]


def values(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every value of every select, and of every flag the other one."""
    for field in schema["fields"]:
        chosen = field["options"] if field["type"] == "select" else [not field["default"]] if field["type"] == "bool" else []
        yield from ({field["name"]: value} for value in chosen)


def weights_of(case: Case, root: Path, schema: dict[str, Any]) -> dict[str, Any]:
    """What a preset that freezes the backbone starts from: a training of the same data."""
    if not any(preset.get("freeze_backbone") for preset in schema["presets"].values()):
        return {}
    out = root / f"base-{case.task}"
    train(case, root, [{}], OUTPUT_DIR=out, KEEP="1", EPOCHS=case.epochs + 3)
    return {"PRETRAINED_WEIGHTS": max((out / "checkpoints").iterdir(), key=lambda path: int(path.name.rsplit("-", 1)[1]))}


def main() -> None:
    failed = False
    print("| trainer, task, model | options | best | chance |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="presets-") as temporary:
        root = Path(temporary)
        for case in (c for c in CASES if not sys.argv[1:] or c.trainer in sys.argv[1:]):
            started = time.monotonic()
            schema = json.loads(subprocess.run([sys.executable, str(TRAINERS / case.trainer / "config_schema.py")], capture_output=True, text=True, check=True).stdout)
            start = weights_of(case, root, schema)
            for (name, _), best in zip(schema["presets"].items(), train(case, root, list(schema["presets"].values()), **start), strict=True):
                failed |= best < case.above
                print(f"| {case.trainer}, {case.task}, {case.model} | {name} | {best:.3f}{'' if best >= case.above else ' TOO LITTLE'} | {case.chance} |", flush=True)
            every = list(values(schema))
            train(case, root, every, EPOCHS=1, **start)
            print(f"| {case.trainer}, {case.task}, {case.model} | {len(every)} values of selects and flags, one epoch each | all ran | |", flush=True)
            print(f"{case.trainer}, {case.task}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
