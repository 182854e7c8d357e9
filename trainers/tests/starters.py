"""What every package that `trainer-agent init` writes promises: tests that run for each template. A module of
its own, so that nobody collects them without a template."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import warm
from classifiers import ClassifierTest
from options import changed
from process import TRAINERS, environment


class StarterTest(ClassifierTest):
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
        for source in ("starter/common", f"starter/{cls.template}", "sdk", "vision"):
            shutil.copytree(TRAINERS / source, cls.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "pyproject.toml"))

    def job(self, out: str, **more: object) -> dict[str, object]:
        (self.root / out / "checkpoints").mkdir(parents=True, exist_ok=True)  # as the agent does
        return super().job(out, **{"LEARNING_RATE": 0.02, **more})

    def test_training_and_resume(self) -> None:
        whole = self.train("whole", EPOCHS=8)
        self.assert_learns(whole, "whole", epochs=8)
        names = sorted(p.stem for p in (self.root / "whole/checkpoints").iterdir())
        self.assertEqual(names, ["best", "epoch-2", "epoch-4", "epoch-6", "epoch-8", "last"])
        checkpoint = self.root / "whole/checkpoints" / self.last.replace("last", "epoch-6")
        resumed = self.train("resumed", EPOCHS=8, RESUME_CHECKPOINT=checkpoint)
        self.assertEqual([b["metrics"] for b in resumed.relay.of("heartbeat")], [b["metrics"] for b in whole.relay.of("heartbeat")[6:]])
        fine = self.train("fine", EPOCHS=1, PRETRAINED_WEIGHTS=checkpoint, NUM_WORKERS=2)
        self.assertLess(fine.relay.of("heartbeat")[0]["metrics"]["loss"], whole.relay.of("heartbeat")[0]["metrics"]["loss"])

    def test_a_stop_keeps_what_was_learnt(self) -> None:
        completed = self.stop("stop")
        run = self.train("go-on", EPOCHS=completed + 1, RESUME_CHECKPOINT=self.root / "stop/checkpoints" / self.last)
        self.assertEqual(run.epochs(), [completed + 1])

    def test_every_field_of_the_schema_changes_the_training(self) -> None:
        fields = json.loads(subprocess.run([sys.executable, f"{self.folder}/config_schema.py"], capture_output=True, text=True, check=True).stdout)["fields"]
        changes = {field["name"]: {"CONFIG_JSON": json.dumps({"config": {field["name"]: changed(field)}})} for field in fields}
        changes |= {"LEARNING_RATE": {"LEARNING_RATE": 0.01}, "IMAGE_SIZE": {"IMAGE_SIZE": 64}, "BATCH_SIZE": {"BATCH_SIZE": 4}, "MODEL_NAME": {"MODEL_NAME": "my-trainer-m"}}
        plain, again, *others = self.trainings([{}, {}, *changes.values()])
        self.assertEqual(plain, again, "two equal trainings differ")
        self.assertEqual([name for name, heard in zip(changes, others, strict=True) if heard == plain], [], "these changed nothing")

    def trainings(self, changes: list[dict[str, Any]]) -> list[Any]:
        jobs = [{k: str(v) for k, v in {"NUM_WORKERS": 0, **self.job("fields", EPOCHS=2), **change}.items()} for change in changes]
        probe = str(Path(__file__).with_name("probe_starter.py"))
        found = warm.run([probe, json.dumps(jobs)], environment(None, package=self.folder))
        self.assertEqual(found.returncode, 0, found.stderr[-3000:])
        return json.loads(found.stdout)
