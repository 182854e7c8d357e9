"""The packages that `trainer-agent init` writes, really training; Go's tests run them under the agent."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import unittest
import zipfile
from pathlib import Path

import numpy as np
import starters
import warm
from metadata_schema import schema_faults
from process import environment


class Plain(starters.StarterTest):
    template = "plain"
    last = "last.ckpt"

    def test_prediction_and_export(self) -> None:
        self.train("trained", EPOCHS=8)
        best = self.root / "trained/checkpoints" / self.last.replace("last", "best")
        run = self.succeed(self.script("predict"), INFERENCE_TYPE="test_run", CHECKPOINT_FILE=best, TASK_TYPE=self.task, DATASET_DIR=self.data, OUTPUT_DIR=self.root / "test-run")
        self.assertEqual(run.relay.calls[-1].path, "/api/v1/test-runs/job-1/done")
        self.assertGreater(run.relay.calls[-1].body["overall_metrics"]["accuracy"], 0.6)
        run = self.succeed(self.script("export"), "--checkpoint", str(best), "--format", "onnx", "--output", str(self.root / "onnx"), TASK_TYPE=self.task)
        self.assertEqual(run.relay.calls[-1].body["model_info"]["output_shape"], [1, 3])
        self.assert_package_proves_itself(self.root / "onnx/package.zip")
        self.fail_with("INPUT_SIZE [64, 64]: this trainer exports at the size of the training, [32, 32]", self.script("export"), "--checkpoint", str(best), "--output", str(self.root / "no"), TASK_TYPE=self.task, INPUT_SIZE="[64, 64]")
        with np.load(best) as file:
            arrays = {key: file[key] for key in file.files}
        arrays["w2"][:] = np.nan
        np.savez(self.root / "broken.npz", **arrays)
        self.fail_with("differs from the original by nan", self.script("export"), "--checkpoint", str(self.root / "broken.npz"), "--format", "onnx", "--output", str(self.root / "no"), TASK_TYPE=self.task)

    def assert_package_proves_itself(self, package: Path) -> None:
        """Its metadata are what wrappers read, and its own wrapper finds the golden answer, and no other one."""
        self.needs("onnxruntime")
        folder = self.root / "package"
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
        self.assertEqual(schema_faults(json.loads((folder / "metadata.json").read_text())), [])
        golden = folder / "golden/answer.json"
        answer = json.loads(golden.read_text())
        for probabilities, code in ((answer["probabilities"], 0), ([1 - p for p in answer["probabilities"]], 1)):
            golden.write_text(json.dumps({**answer, "probabilities": probabilities}))
            found = subprocess.run([sys.executable, str(folder / "runtimes/python/example.py"), "--selftest"], capture_output=True, text=True, env=environment(None))
            self.assertEqual(found.returncode, code, found.stderr)

    def test_explanations(self) -> None:
        self.train("explained", EPOCHS=4)
        best = self.root / "explained/checkpoints/best.ckpt"
        self.assert_explains(best, "shap")
        self.fail_with("XAI_METHOD gradcam needs the model's gradients", self.script("predict"), "--checkpoint", str(best), "--image", str(self.data / "val"), "--output", str(self.root / "no"), ENABLE_XAI="true", TASK_TYPE=self.task)

    def test_what_is_refused_says_what_to_do(self) -> None:
        other = shutil.copytree(self.data, self.root / "renamed", dirs_exist_ok=True)
        if (other / "val/0-circle").exists():
            (other / "val/0-circle").rename(other / "val/z-circle")
        for message, change in (
            ("MODEL_NAME 'unknown' is not one of my-trainer-s, my-trainer-m", {"MODEL_NAME": "unknown"}),
            ("unknown option 'momentun' (did you mean 'momentum'?)", {"CONFIG_JSON": '{"config": {"momentun": 1}}'}),
            ("val has the folders ['1-square', '2-triangle', 'z-circle']", {"DATASET_DIR": other}),
            ("is not a checkpoint of this trainer", {"RESUME_CHECKPOINT": __file__}),
        ):
            with self.subTest(message):
                self.assertIn(message, self.fail_with(message, self.script("train"), **self.job("refused", EPOCHS=1, **change)).done["error_message"])

    def test_capabilities_are_true(self) -> None:
        found = warm.run([f"{self.folder}/validate_capabilities.py"], environment(None))
        self.assertEqual((found.returncode, json.loads(found.stdout)["issues"]), (0, []), found.stderr)


class Torch(starters.StarterTest):
    template = "torch"
    last = "last.pt"

    def test_gradcam_of_the_last_map(self) -> None:
        self.train("seen", EPOCHS=4)
        self.assert_explains(self.root / "seen/checkpoints/best.pt", "gradcam")


if __name__ == "__main__":
    unittest.main()
