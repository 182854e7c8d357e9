"""The packages that `trainer-agent init` writes, really training; Go's tests run them under the agent."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from classifiers import ClassifierTest
from options import changed
from process import TRAINERS, environment

SDK = ("trainer_sdk.py", "trainer_classification.py", "trainer_inference.py", "trainer_export.py")


class Starter(ClassifierTest):
    """A package put together as the agent does it, without the name."""

    template: str
    last: str
    model = "my-trainer-s"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        for path in [*(TRAINERS / "starter/common").iterdir(), *(TRAINERS / "starter" / cls.template).iterdir(), *(TRAINERS / "sdk" / name for name in SDK)]:
            if path.is_file():
                shutil.copy(path, cls.folder)

    def job(self, out: str, **more: object) -> dict[str, object]:
        (self.root / out / "checkpoints").mkdir(parents=True, exist_ok=True)  # as the agent does
        return super().job(out, **{"LEARNING_RATE": 0.02, **more})

    def assert_trains_and_resumes(self) -> None:
        whole = self.train("whole", EPOCHS=8)
        self.assert_learns(whole, "whole", epochs=8)
        names = sorted(p.stem for p in (self.root / "whole/checkpoints").iterdir())
        self.assertEqual(names, ["best", "epoch-2", "epoch-4", "epoch-6", "epoch-8", "last"])
        checkpoint = self.root / "whole/checkpoints" / self.last.replace("last", "epoch-6")
        resumed = self.train("resumed", EPOCHS=8, RESUME_CHECKPOINT=checkpoint)
        self.assertEqual([b["metrics"] for b in resumed.relay.of("heartbeat")], [b["metrics"] for b in whole.relay.of("heartbeat")[6:]])
        fine = self.train("fine", EPOCHS=1, PRETRAINED_WEIGHTS=checkpoint, NUM_WORKERS=2)
        self.assertLess(fine.relay.of("heartbeat")[0]["metrics"]["loss"], whole.relay.of("heartbeat")[0]["metrics"]["loss"])

    def assert_stops_and_goes_on(self) -> None:
        completed = self.stop("stop")
        run = self.train("go-on", EPOCHS=completed + 1, RESUME_CHECKPOINT=self.root / "stop/checkpoints" / self.last)
        self.assertEqual(run.epochs(), [completed + 1])

    def assert_every_option_counts(self) -> None:
        fields = json.loads(subprocess.run([sys.executable, f"{self.folder}/config_schema.py"], capture_output=True, text=True, check=True).stdout)["fields"]
        changes = {field["name"]: {"CONFIG_JSON": json.dumps({"config": {field["name"]: changed(field)}})} for field in fields}
        changes |= {"LEARNING_RATE": {"LEARNING_RATE": 0.01}, "IMAGE_SIZE": {"IMAGE_SIZE": 64}, "BATCH_SIZE": {"BATCH_SIZE": 4}, "MODEL_NAME": {"MODEL_NAME": "my-trainer-m"}}
        plain, again, *others = self.trainings([{}, {}, *changes.values()])
        self.assertEqual(plain, again, "two equal trainings differ")
        self.assertEqual([name for name, heard in zip(changes, others, strict=True) if heard == plain], [], "these changed nothing")

    def trainings(self, changes: list[dict[str, Any]]) -> list[Any]:
        jobs = [{k: str(v) for k, v in {"NUM_WORKERS": 0, **self.job("fields", EPOCHS=2), **change}.items()} for change in changes]
        probe = str(Path(__file__).with_name("probe_starter.py"))
        found = subprocess.run([sys.executable, probe, self.folder, json.dumps(jobs)], capture_output=True, text=True, env=environment(None))
        self.assertEqual(found.returncode, 0, found.stderr[-3000:])
        return json.loads(found.stdout)

    def assert_predicts(self) -> None:
        self.train("trained", EPOCHS=8)
        best = self.root / "trained/checkpoints" / self.last.replace("last", "best")
        run = self.succeed(self.script("predict"), INFERENCE_TYPE="test_run", CHECKPOINT_FILE=best, TASK_TYPE=self.task, DATASET_DIR=self.data, OUTPUT_DIR=self.root / "test-run")
        self.assertEqual(run.relay.calls[-1].path, "/api/v1/test-runs/job-1/done")
        self.assertGreater(run.relay.calls[-1].body["overall_metrics"]["accuracy"], 0.6)
        run = self.succeed(self.script("export"), "--checkpoint", str(best), "--format", "onnx", "--output", str(self.root / "onnx"), TASK_TYPE=self.task)
        self.assertEqual(run.relay.calls[-1].body["model_info"]["output_shape"], [1, 3])


class Plain(Starter):
    template = "plain"
    last = "last.ckpt"

    def test_training_and_resume(self) -> None:
        self.assert_trains_and_resumes()

    def test_a_stop_keeps_what_was_learnt(self) -> None:
        self.assert_stops_and_goes_on()

    def test_every_field_of_the_schema_changes_the_training(self) -> None:
        self.assert_every_option_counts()

    def test_prediction_and_export(self) -> None:
        self.assert_predicts()

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
        found = subprocess.run([sys.executable, f"{self.folder}/validate_capabilities.py"], capture_output=True, text=True, env=environment(None))
        self.assertEqual((found.returncode, json.loads(found.stdout)["issues"]), (0, []), found.stderr)


class Torch(Starter):
    template = "torch"
    last = "last.pt"

    def test_training_and_resume(self) -> None:
        self.assert_trains_and_resumes()

    def test_a_stop_keeps_what_was_learnt(self) -> None:
        self.assert_stops_and_goes_on()

    def test_every_field_of_the_schema_changes_the_training(self) -> None:
        self.assert_every_option_counts()


if __name__ == "__main__":
    unittest.main()
