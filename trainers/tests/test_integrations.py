"""The examples of docs/integrations.md, each with the real framework on CPU: they report every epoch, and stop when asked to."""

from __future__ import annotations

import os
import re
import signal
import tempfile
import unittest
from pathlib import Path

from process import TIMEOUT, TRAINERS, TrainerTest, started
from relay import Relay

PAGE = TRAINERS.parent / "docs" / "integrations.md"
# What the trainers' own environment lacks; `make venv-all` fills it.
FRAMEWORKS = Path(os.environ.get("TRAINER_VENV", TRAINERS.parent / ".venv")) / "integrations"


def example(heading: str) -> str:
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.search(r"```python\n(.*?)```", section, re.S)
    assert found, heading
    return found[1]


class Examples(TrainerTest):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def job(self, heading: str, **env: object) -> tuple[str, dict[str, object]]:
        script, checkpoints = self.folder / "train.py", self.folder / "out" / "checkpoints"
        script.write_text(example(heading))
        checkpoints.mkdir(parents=True)
        return str(script), {
            "TASK_TYPE": "image_classification", "OUTPUT_DIR": checkpoints.parent, "CHECKPOINT_DIR": checkpoints, "DATASET_DIR": self.dataset(),
            "package": FRAMEWORKS, "YOLO_CONFIG_DIR": self.folder, "YOLO_OFFLINE": "true", "MPLCONFIGDIR": self.folder, "HOME": self.folder, **env,
        }

    def dataset(self) -> Path:
        """A folder of images, for the example that reads one."""
        from PIL import Image

        for split in ("train", "val"):
            for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
                folder = self.folder / "data" / split / name
                folder.mkdir(parents=True)
                for i in range(4):
                    Image.new("RGB", (32, 32), colour).save(folder / f"{i}.png")
        return self.folder / "data"

    def check(self, heading: str) -> None:
        script, env = self.job(heading, EPOCHS=2)
        run = self.succeed(script, **env)
        self.assertEqual(sorted({e for e in run.epochs() if e}), [1, 2], run.output[-2000:])
        self.assertTrue(any("loss" in name for body in run.relay.of("heartbeat") for name in body["metrics"]), run.relay.of("heartbeat"))
        self.assertEqual([body["epoch"] for body in run.relay.of("validation")], [1, 2])
        for body in run.relay.of("validation"):
            self.assertEqual(body["primary_metric_name"], "accuracy")
            self.assertTrue(0 <= body["primary_metric_value"] <= 1, body)
            self.assertEqual(body["metrics"]["accuracy"], body["primary_metric_value"])
        self.assertTrue([f for f in (self.folder / "out").rglob("*") if f.is_file() and f.stat().st_size], "no checkpoint")

    def stops(self, heading: str) -> None:
        script, env = self.job(heading, EPOCHS=100_000)
        relay = Relay()
        self.addCleanup(relay.close)
        with started(script, relay, **env) as process:
            relay.wait_for("validation", 1, lambda: process.poll() is None)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0, output[-4000:])
        self.assertLess(max(body["epoch"] for body in relay.of("heartbeat")), 100_000)

    def cut(self, heading: str, *changes: tuple[str, str]) -> None:
        """An example that is told to stop in the middle of its second epoch has completed one."""
        script, env = self.job(heading, EPOCHS=9)
        text = Path(script).read_text()
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new, 1)
        Path(script).write_text("import os, signal\n" + text)
        run = self.succeed(script, **env)
        self.assertEqual([e for e in run.epochs() if e], [1], run.output[-2000:])
        self.assertEqual([body["epoch"] for body in run.relay.of("validation")], [1])

    def test_keras_cut(self) -> None:
        self.needs_folder()
        stop = "class Stop(keras.callbacks.Callback):\n    def on_train_batch_begin(self, batch, logs=None):\n        if self.model.optimizer.iterations == 2:\n            os.kill(os.getpid(), signal.SIGTERM)\n"
        self.cut("Keras", ("\nmodel.fit", "\n" + stop + "model.fit"), ("[PlatformCallback()", "[Stop(), PlatformCallback()"))

    def test_ultralytics_cut(self) -> None:
        self.needs("ultralytics")
        stop = 'model.add_callback("on_train_batch_start", lambda t: t.epoch == 1 and os.kill(os.getpid(), signal.SIGTERM))\n'
        self.cut("Ultralytics", ("model.train(", stop + "model.train("), ("batch=8", "batch=4"))

    def test_any_loop(self) -> None:
        self.check("Any loop")

    def test_transformers(self) -> None:
        self.needs("transformers", "accelerate")
        self.check("Transformers")

    def test_transformers_stops(self) -> None:
        self.needs("transformers", "accelerate")
        self.stops("Transformers")

    def test_lightning(self) -> None:
        self.needs_folder()
        self.check("Lightning")

    def test_lightning_stops(self) -> None:
        self.needs_folder()
        self.stops("Lightning")

    def test_keras(self) -> None:
        self.needs_folder()
        self.check("Keras")

    def test_keras_stops(self) -> None:
        self.needs_folder()
        self.stops("Keras")

    def test_ultralytics(self) -> None:
        self.needs("ultralytics")
        self.check("Ultralytics")

    def test_ultralytics_stops(self) -> None:
        self.needs("ultralytics")
        self.stops("Ultralytics")

    def test_fastai(self) -> None:
        self.needs_folder()
        self.check("fastai")

    def test_fastai_stops(self) -> None:
        self.needs_folder()
        self.stops("fastai")

    def test_accelerate(self) -> None:
        self.needs("accelerate")
        self.check("Accelerate")

    def needs_folder(self) -> None:
        if FRAMEWORKS.is_dir():
            return
        if os.environ.get("CI"):
            self.fail(f"{FRAMEWORKS} is not there: make venv-all")
        self.skipTest("Lightning, Keras and fastai are not installed: make venv-all")


if __name__ == "__main__":
    unittest.main()
