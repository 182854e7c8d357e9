"""What the timm and the Hugging Face trainer promise alike; each is shown with its own models."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fixtures
import warm
from process import TIMEOUT, TRAINERS, TrainerTest, environment, started
from relay import Relay
from trainer_vision.deploy.parity import EXACT


def assert_presets_learn(test: TrainerTest, folder: str, root: Path, **job: object) -> None:
    """Every preset, and the moving average where there is one, trains a classifier three epochs and is far better than chance."""
    data = fixtures.write_imagefolder(root / "presets", train=60, val=15)
    schema = json.loads(subprocess.run([sys.executable, str(TRAINERS / folder / "config_schema.py")], capture_output=True, text=True, check=True).stdout)
    options = list(schema["presets"].values()) + [{"model_ema": True}] * any(f["name"] == "model_ema" for f in schema["fields"])
    settings = {"TASK_TYPE": "image_classification", "DATASET_DIR": data, "EPOCHS": 3, "BATCH_SIZE": 6, "NUM_WORKERS": 0, **job}
    command = [str(Path(__file__).with_name("probe_presets.py")), folder, json.dumps({k: str(v) for k, v in settings.items()}), json.dumps(options), "accuracy"]
    found = warm.run(command, environment(None, package=TRAINERS / folder))
    test.assertEqual(found.returncode, 0, found.stderr[-3000:])
    for preset, result in zip(options, json.loads(found.stdout.splitlines()[-1]), strict=True):
        test.assertGreater(result["best"], 0.6, preset)  # chance is 0.33


class ClassifierTest(TrainerTest):
    folder: str  # below trainers/
    model: str
    size = 32
    task = "image_classification"

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = Path(folder.name)
        cls.data = fixtures.write_imagefolder(cls.root / "data")

    def script(self, name: str) -> str:
        return f"{self.folder}/{name}.py"

    def job(self, out: str, **more: object) -> dict[str, object]:
        small = {"EPOCHS": 3, "BATCH_SIZE": 8, "IMAGE_SIZE": self.size, "CHECKPOINT_FREQUENCY": 2, "LEARNING_RATE": 0.002, "PRETRAINED": "false"}
        return {"TASK_TYPE": self.task, "MODEL_NAME": self.model, "DATASET_DIR": self.data, "OUTPUT_DIR": self.root / out, **small, **more}

    def train(self, out: str, **more: object) -> Any:
        return self.succeed(self.script("train"), **self.job(out, **more))

    def assert_learns(self, run: Any, out: str, epochs: int) -> None:
        """Heartbeats, validations, images and the final metrics of a training that came to something."""
        self.assertEqual(run.epochs(), list(range(1, epochs + 1)))
        self.assertEqual([c.kind for c in run.relay.calls if c.kind != "event"], ["heartbeat", "validation"] * epochs + ["done"])
        first, last = run.relay.of("heartbeat")[0]["metrics"], run.relay.of("heartbeat")[-1]["metrics"]
        self.assertLessEqual({"loss", "val_loss", "accuracy", "precision", "recall", "learning_rate"}, set(first))
        self.assertLess(last["loss"], first["loss"])
        self.assertGreater(run.done["final_metrics"]["accuracy"], 0.6)  # chance is 0.33
        for body in run.relay.of("validation"):
            self.assert_validation(body, classes=3, images=9)
            self.assertEqual([row["class_name"] for row in body["per_class_metrics"]], ["a circle", "a square", "a triangle"])
            self.assertEqual([sum(row) for row in body["confusion_matrix"]], [3, 3, 3])
        best = max(run.relay.of("validation"), key=lambda v: v["primary_metric_value"])
        self.assertEqual(run.done["final_metrics"]["best_epoch"], best["epoch"])
        images = json.loads((self.root / out / best["image_results_path"]).read_text())["images"]
        self.assertAlmostEqual(sum(i["correct"] for i in images) / 9, best["primary_metric_value"])
        self.assert_true_loss(next(b["metrics"]["val_loss"] for b in run.relay.of("heartbeat") if b["epoch"] == best["epoch"]), images)

    def assert_resumes_exactly(self, checkpoint: Path, whole: Any, completed: int) -> None:
        """The epochs after a resume are those of the uninterrupted training, to the last digit."""
        epochs = len(whole.epochs())
        run = self.train("resumed", EPOCHS=epochs, RESUME_CHECKPOINT=checkpoint)
        expected = [b["metrics"] for b in whole.relay.of("heartbeat")[completed:]]
        self.assertEqual([b["metrics"] for b in run.relay.of("heartbeat")], expected)
        self.assertEqual(run.epochs(), list(range(completed + 1, epochs + 1)))
        self.assertEqual(run.done["final_metrics"]["best_epoch"], whole.done["final_metrics"]["best_epoch"])

    def assert_nothing_left_to_train(self, checkpoint: Path, whole: Any) -> None:
        """A machine lost after the last epoch and before done: the resume only ends the job."""
        run = self.train("nothing-left", EPOCHS=len(whole.epochs()), RESUME_CHECKPOINT=checkpoint)
        self.assertEqual([c.kind for c in run.relay.calls], ["done"])
        self.assertRegex(run.output, r"the run is finished already with (\d+) epochs: EPOCHS=\1 leaves nothing to train\n")
        self.assertEqual(run.done["final_metrics"]["best_epoch"], whole.done["final_metrics"]["best_epoch"])

    def stop(self, out: str) -> int:
        """Stop a training after its second heartbeat; returns the epochs it completed."""
        with Relay() as relay, started(self.script("train"), relay, **self.job(out, EPOCHS=5000)) as process:
            relay.wait_for("heartbeat", 2, lambda: process.poll() is None)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 143, output[-3000:])
        self.assertEqual(relay.of("done"), [])
        completed = len(relay.of("heartbeat"))
        self.assertEqual(relay.of("event")[-1]["data"], {"epoch": completed})
        return completed

    def assert_a_cut_epoch_leaves_no_trace(self, newest: Callable[[Path], Path]) -> None:
        """SIGTERM in the middle of an epoch, then a resume: every epoch is that of the uninterrupted training."""
        whole = self.train("uncut", EPOCHS=3, CHECKPOINT_FREQUENCY=0)
        train = str(TRAINERS / self.script("train"))
        run = self.trainer("tests/cut.py", train, **self.job("cut", EPOCHS=3, CHECKPOINT_FREQUENCY=0, CUT_AT=24 + 12))
        self.assertEqual(run.code, 143, run.output[-3000:])
        self.assertEqual((run.epochs(), run.relay.of("event")[-1]["data"]), ([1], {"epoch": 1}))
        rest = self.train("rest", EPOCHS=3, CHECKPOINT_FREQUENCY=0, RESUME_CHECKPOINT=newest(self.root / "cut/checkpoints"))
        self.assertEqual([b["metrics"] for b in rest.relay.of("heartbeat")], [b["metrics"] for b in whole.relay.of("heartbeat")[1:]])

    def assert_ends_early(self) -> None:
        """Nine images are right or wrong: an accuracy cannot become better fifteen times."""
        run = self.train("early", EPOCHS=15, CONFIG_JSON='{"patience": 1}')
        self.assertTrue(run.ended_early(15), run.output[-3000:])
        newest = max((self.root / "early/checkpoints").glob("last.pt"), default=None) or max((self.root / "early/checkpoints").glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
        lost = self.train("early-again", EPOCHS=15, CONFIG_JSON='{"patience": 1}', RESUME_CHECKPOINT=newest)  # the machine was, before `done`
        self.assertTrue(lost.ends_as(run), lost.output[-3000:])
        self.assertEqual(lost.epochs(), [])

    def assert_two_processes_report_once(self) -> None:
        run = self.train("two", EPOCHS=2, PET_NPROC_PER_NODE=2, OMP_NUM_THREADS=1)
        self.assertEqual([c.kind for c in run.relay.calls if c.kind != "event"], ["heartbeat", "validation"] * 2 + ["done"])
        self.assertEqual(run.epochs(), [1, 2])
        self.assert_validation(run.relay.of("validation")[0], classes=3, images=9)

    def assert_predicts_and_exports(self, checkpoint: Path, accuracy: float) -> None:
        run = self.succeed(self.script("predict"), INFERENCE_TYPE="test_run", CHECKPOINT_FILE=checkpoint, TASK_TYPE=self.task, DATASET_DIR=self.data, OUTPUT_DIR=self.root / "test-run")
        self.assertEqual(run.relay.calls[-1].path, "/api/v1/test-runs/job-1/done")
        self.assertAlmostEqual(run.relay.calls[-1].body["overall_metrics"]["accuracy"], accuracy)
        self.assertEqual(len(list((self.root / "test-run/visualizations").iterdir())), 9)
        files = sorted(str(p) for p in (self.data / "val").rglob("*.png"))[:2]
        run = self.succeed(self.script("predict"), INFERENCE_TYPE="inference_job", CHECKPOINT_FILE=checkpoint, TASK_TYPE=self.task, IMAGE_FILES=json.dumps(files), OUTPUT_DIR=self.root / "job", SAVE_VISUALIZATIONS="false")
        self.assertEqual([c.path.split("/", 3)[3] for c in run.relay.calls], ["inference/job-1/progress", "inference/jobs/job-1/done"])
        results = json.loads((self.root / "job/results.json").read_text())["results"]
        self.assertEqual([r["image_path"] for r in results], files)
        self.assertEqual({r["predictions"]["class_name"] for r in results} - {"a circle", "a square", "a triangle"}, set())
        for name, modules in (("torchscript", ()), ("onnx", ("onnx", "onnxruntime", "onnxscript"))):
            with self.subTest(name):
                self.needs(*modules)
                asked = {"ENABLE_VALIDATION": "true"}
                run = self.succeed(self.script("export"), "--checkpoint", str(checkpoint), "--format", name, "--output", str(self.root / name), TASK_TYPE=self.task, DATASET_DIR=self.data, **asked)
                done = run.relay.calls[-1].body
                self.assertAlmostEqual(done["validation_metrics"]["accuracy"], accuracy)
                self.assertEqual((done["model_info"]["input_shape"], done["model_info"]["output_shape"]), ([-1, -1, 3], [3]))
                metadata = json.loads((self.root / name / "metadata.json").read_text())
                self.assertEqual(metadata["classes"], [{"index": i, "id": i + 10, "name": n} for i, n in enumerate(["a circle", "a square", "a triangle"])])
                self.assertLess(metadata["parity"]["probability"], EXACT.probability)
                told = [(p["stage"], p["progress_percent"]) for p in run.relay.of("progress")]
                self.assertEqual(list(dict.fromkeys(stage for stage, _ in told)), ["downloading", "converting", "validating", "packaging", "uploading"])
                self.assertEqual([percent for _, percent in told], sorted(percent for _, percent in told))
        asked = {"INFERENCE_TYPE": "test_run", "CHECKPOINT_FILE": self.root / "onnx/model.onnx", "TASK_TYPE": self.task, "DATASET_DIR": self.data}
        run = self.succeed(self.script("predict"), **asked, OUTPUT_DIR=self.root / "exported", SAVE_VISUALIZATIONS="false")
        self.assertAlmostEqual(run.relay.calls[-1].body["overall_metrics"]["accuracy"], accuracy)

    def assert_explains(self, checkpoint: Path, *methods: str) -> None:
        """Every method gives every picture of a test run its heat, and its numbers."""
        for method in methods:
            with self.subTest(method):
                out = self.root / f"xai-{method}"
                run = self.succeed(self.script("evaluate"), INFERENCE_TYPE="test_run", CHECKPOINT_FILE=checkpoint, TASK_TYPE=self.task, DATASET_DIR=self.data, OUTPUT_DIR=out, ENABLE_XAI="true", XAI_METHOD=method, SAVE_VISUALIZATIONS="false")
                self.assertEqual(run.relay.calls[-1].body["xai_results_path"], "xai/")
                for record in json.loads((out / "results.json").read_text())["results"]:
                    (found,) = record["xai"]
                    self.assertEqual((found["class_name"], found["method"]), (record["predictions"]["class_name"], method))
                    self.assertGreater(found[method]["max_activation"], 0)
                    self.assertTrue((out / found["heatmap_path"]).is_file() and (out / found["overlay_path"]).is_file())

    def assert_schema_is_honoured(self, probe: str) -> dict[str, Any]:
        found = warm.run([str(Path(__file__).with_name(probe)), str(self.data)], environment(None, package=TRAINERS / self.folder))
        self.assertEqual(found.returncode, 0, found.stderr[-3000:])
        answer = json.loads(found.stdout.splitlines()[-1])
        self.assertEqual(answer["same"], [], "these options changed nothing")
        return answer
