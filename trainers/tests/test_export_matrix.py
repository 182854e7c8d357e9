"""Every cell of the matrix of exports with a trained model of every kind: what the matrix lets through is exported, good and in smaller numbers.

Left to make export-matrix, which takes an hour: EXPORT_MATRIX=all, or the kinds to try, divided by commas. A cell of an objects' model is
measured down to faint boxes, of which a few images have enough.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import fixtures
import warm
from process import TRAINERS, TrainerTest, environment
from trainer_vision.deploy import matrix

TOOLBOXES = TRAINERS.parent / ".tools" / "toolboxes"
PROBE = Path(__file__).with_name("probe_exports.py")
HERE = ("onnx", "torchscript", "openvino", "tflite", "coreml")  # TensorRT needs a GPU
QUICK = json.dumps({"config": {"mosaic": 0.0, "nbs": 4, "warmup_epochs": 1.0}})
MOST = 0.12  # of accuracy that a cell may lose: one of nine images, or of about ten objects

# Trainer, task, model and settings of a training that comes to something.
KINDS: dict[str, tuple[str, str, str, dict[str, object]]] = {
    "detect": ("ultralytics", "object_detection", "yolo11n", {"EPOCHS": 20, "IMAGE_SIZE": 96, "LEARNING_RATE": 0.004, "CONFIG_JSON": QUICK}),
    "segment": ("ultralytics", "instance_segmentation", "yolo11n-seg", {"EPOCHS": 20, "IMAGE_SIZE": 96, "LEARNING_RATE": 0.004, "CONFIG_JSON": QUICK}),
    "pose": ("ultralytics", "pose_estimation", "yolo11n-pose", {"EPOCHS": 20, "IMAGE_SIZE": 96, "LEARNING_RATE": 0.004, "CONFIG_JSON": QUICK}),
    "classify": ("ultralytics", "image_classification", "yolo11n-cls", {"EPOCHS": 20, "IMAGE_SIZE": 64, "LEARNING_RATE": 0.002}),
    "timm": ("timm", "image_classification", "test_vit", {"EPOCHS": 8, "IMAGE_SIZE": 32, "LEARNING_RATE": 0.002}),
    "huggingface": ("huggingface", "image_classification", "vit-tiny-patch16-224", {"EPOCHS": 6, "IMAGE_SIZE": 32, "LEARNING_RATE": 0.001}),
}


class Cells(TrainerTest):
    def test_every_cell_is_exported_or_refused(self) -> None:
        asked = os.environ.get("EXPORT_MATRIX", "")
        if not asked:
            self.skipTest("make export-matrix exports every cell")
        for kind in KINDS if asked == "all" else asked.split(","):
            with self.subTest(kind), tempfile.TemporaryDirectory() as folder:
                self.exports(Path(folder), *KINDS[kind])

    def exports(self, root: Path, trainer: str, task: str, model: str, settings: dict[str, object]) -> None:
        data = fixtures.write_imagefolder(root / "data") if task == "image_classification" else fixtures.write_yolo(root / "data", task)
        job = {"TASK_TYPE": task, "MODEL_NAME": model, "DATASET_DIR": data, "BATCH_SIZE": 4, "PRETRAINED": "false"}
        run = self.succeed(f"{trainer}/train.py", **job, **settings, OUTPUT_DIR=root / "trained")
        cells = [f"{name} {cell}" for name in HERE for cell in ("none float32", *matrix.CELLS)]
        for found in self.probe(root, cells, trainer, **job, CHECKPOINT_FILE=root / "trained" / run.done["checkpoint_path"]):
            print(f"{model}, {found.pop('cell')}: {json.dumps(found)}", file=sys.stderr, flush=True)
            with self.subTest(model=model, cell=found):
                self.assertNotIn("failed", found)
                if "ok" in found:
                    self.assertTrue(found["validation"]["passed"])

    def probe(self, root: Path, cells: list[str], trainer: str, **job: object) -> list[dict[str, Any]]:
        settings = {"FRAMEWORK": trainer, "ENABLE_VALIDATION": "true", "ACCURACY_DROP_MAX": MOST, "CONFIDENCE_THRESHOLD": 0.01, "EXPORT_TOOLBOX_DIR": TOOLBOXES}
        lasting = {**environment(None, package=TRAINERS / trainer, **job, **settings), "TEST_HANGS_AFTER": "3600"}  # all cells of a kind, one after the other
        run = warm.run([str(PROBE), str(root / "out"), *cells], lasting)
        self.assertEqual(run.returncode, 0, run.stderr[-3000:])
        found = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]  # Ultralytics greets a new machine
        self.assertEqual([one["cell"] for one in found], cells)
        return found


if __name__ == "__main__":
    unittest.main()
