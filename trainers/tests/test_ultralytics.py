"""The Ultralytics trainer, really training: every task, resume, stop, two processes, predict, export."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import fixtures
import torch
import warm
from classifiers import assert_presets_learn
from PIL import Image
from process import GUARD, TIMEOUT, TRAINERS, TrainerTest, environment, started
from relay import Relay

TRAIN = "ultralytics/train.py"
PROBE = Path(__file__).with_name("probe_ultralytics.py")
MODELS = {"object_detection": "yolo11n", "instance_segmentation": "yolo11n-seg", "pose_estimation": "yolo11n-pose", "image_classification": "yolo11n-cls"}


@dataclass
class Planted:
    """It makes a file when it is unpickled."""

    path: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


class Ultralytics(TrainerTest):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = Path(folder.name)
        for task in MODELS:
            write = fixtures.write_imagefolder if task == "image_classification" else lambda root, task=task: fixtures.write_yolo(root, task)
            write(cls.root / task)

    def job(self, task: str, out: str, **more: object) -> dict[str, object]:
        small = {"EPOCHS": 2, "BATCH_SIZE": 8, "IMAGE_SIZE": 96, "CHECKPOINT_FREQUENCY": 0, "LEARNING_RATE": 0.002, "PRETRAINED": "false"}
        return {"TASK_TYPE": task, "MODEL_NAME": MODELS[task], "DATASET_DIR": self.root / task, "OUTPUT_DIR": self.root / out, **small, **more}

    def test_a_slow_machine_loses_no_detection_and_odd_inputs_are_told(self) -> None:
        probe = [sys.executable, str(PROBE.with_name("probe_inference.py"))]
        found = subprocess.run(probe, capture_output=True, text=True, cwd=self.root, env=environment(None, package=TRAINERS / "ultralytics"))
        self.assertEqual(found.returncode, 0, found.stderr[-2000:])
        told = json.loads(found.stdout.splitlines()[-1])
        self.assertRegex(told.pop("refused"), "cannot read the checkpoint none.onnx: ")
        self.assertEqual(told, {"boxes": [1, 1, 1], "operator": True, "thin": [64, 1], "larger": 96, "finite": [True, False, True, True, True, False], "apart": 0.0})

    def test_images_are_read_as_in_the_other_trainers(self) -> None:
        """Training, classification and prediction: the same pixels of every kind of image, and the same refusals."""
        probe = warm.run([str(PROBE.with_name("probe_reading.py"))], environment(None, package=TRAINERS / "ultralytics"))
        self.assertEqual(probe.returncode, 0, probe.stderr[-2000:])
        self.assertEqual(json.loads(probe.stdout.splitlines()[-1]), {"differ": [], "refused": ["float-rgb.tif", "float.tif", "int32.tif"], "said": [["alpha.png", "transparency"], ["grey16.png", "16 bits"]]})

    def test_a_model_that_predicts_has_all_processors(self) -> None:
        """Ultralytics leaves PyTorch one, unless somebody asks for more."""
        probe = "import offline, torch; from trainer_vision import processes; processes.cpus = lambda: 3; processes.use_cpus(); print(torch.get_num_threads())"
        for asked, threads in (("", 3), ("2", 2)):
            env = {k: v for k, v in environment(None, package=TRAINERS / "ultralytics").items() if k != "OMP_NUM_THREADS"} | ({"OMP_NUM_THREADS": asked} if asked else {})
            found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, env=env)
            self.assertEqual(found.stdout.splitlines()[-1:], [str(threads)], found.stderr)

    def checkpoints(self, out: str) -> list[str]:
        return sorted(p.name for p in (self.root / out / "checkpoints").iterdir())

    def epoch_of(self, checkpoint: Path) -> tuple[int, bool]:
        """The checkpoint's epoch (0-based), and whether it holds an optimizer; read by Ultralytics itself."""
        probe = "import sys, offline, torch; c = torch.load(sys.argv[1], weights_only=False); print(c['epoch'], c['optimizer'] is not None)"
        found = warm.run(["-c", probe, str(checkpoint)], environment(None, package=TRAINERS / "ultralytics"), check=True).stdout.splitlines()[-1].split()
        return int(found[0]), found[1] == "True"

    def of_one_epoch(self, *checkpoints: Path) -> bool:
        """Whether checkpoints of a finished training, which have no number, hold the metrics of one epoch."""
        probe = "import sys, offline, torch; print(len({str(torch.load(path, weights_only=False)['train_metrics']) for path in sys.argv[1:]}))"
        return warm.run(["-c", probe, *map(str, checkpoints)], environment(None, package=TRAINERS / "ultralytics"), check=True).stdout.splitlines()[-1] == "1"

    # --- the four tasks ----------------------------------------------------------------------------

    def test_detection_learns(self) -> None:
        options = {"optimizer": "AdamW", "nbs": 4, "mosaic": 0.0, "warmup_epochs": 1.0, "cos_lr": True, "cls": 2.0}
        run = self.succeed(TRAIN, **self.job("object_detection", "detect", EPOCHS=22, BATCH_SIZE=4, CHECKPOINT_FREQUENCY=10, LEARNING_RATE=0.004, CONFIG_JSON=json.dumps({"config": options})))
        self.assertEqual(run.epochs(), list(range(1, 23)))
        first, last = run.relay.of("heartbeat")[0]["metrics"], run.relay.of("heartbeat")[-1]["metrics"]
        self.assertLessEqual({"box_loss", "cls_loss", "dfl_loss", "loss", "precision", "recall", "mAP50", "mAP50-95", "learning_rate"}, set(first))
        self.assertLess(last["loss"], first["loss"])
        self.assertTrue(0 < last["learning_rate"] < first["learning_rate"] <= 0.004)
        self.assertGreater(run.done["final_metrics"]["mAP50"], 0.5)
        best = max(run.relay.of("validation"), key=lambda v: v["primary_metric_value"])
        self.assertEqual(run.done["final_metrics"]["best_epoch"], best["epoch"])
        self.assertEqual(self.checkpoints("detect"), ["best.pt", "epoch-10.pt", "epoch-20.pt", "last.pt"])
        self.assertEqual(run.done["checkpoint_path"], "checkpoints/best.pt")
        self.assertIn("train: 23 images, 1 backgrounds, 0 corrupt", run.output)
        for body in run.relay.of("validation"):
            self.assert_validation(body, classes=3, images=8, background=True)
        self.assertEqual(sum(map(sum, best["confusion_matrix"][:3])), 7)  # every object has one row
        self.assertEqual([row["support"] for row in best["per_class_metrics"]], [3, 2, 2])
        self.assertTrue(any(0 < p <= 1 for curve in best["pr_curves"].values() for p in curve["precision"]))
        images = json.loads((self.root / "detect" / best["image_results_path"]).read_text())["images"]
        self.assertEqual(sum(len(image["ground_truth"]) for image in images), 7)
        self.assertTrue(any(image["predictions"] for image in images))
        (self.root / "detect/final.json").write_text(json.dumps(run.done["final_metrics"]))
        self.predict_and_export("detect")

    def predict_and_export(self, out: str) -> None:
        """With the detector that has learnt something."""
        best, data = self.root / out / "checkpoints/best.pt", self.root / "object_detection"
        run = self.succeed("ultralytics/predict.py", INFERENCE_TYPE="test_run", CHECKPOINT_FILE=best, TASK_TYPE="object_detection", DATASET_DIR=data, OUTPUT_DIR=self.root / "test-run")  # at the size of the training
        done = run.relay.calls[-1]
        self.assertEqual(done.path, "/api/v1/test-runs/job-1/done")
        validated = json.loads((self.root / out / "final.json").read_text())
        self.assertAlmostEqual(done.body["overall_metrics"]["mAP50-95"], validated["mAP50-95"], delta=0.05)
        self.assertEqual(len(done.body["confusion_matrix"]), 4)
        self.assertEqual(run.relay.calls[-2].body["processed_images"], 8)
        results = json.loads((self.root / "test-run" / done.body["results_path"]).read_text())
        self.assertEqual(results["num_images"], 8)
        self.assertTrue(any(r["predictions"]["boxes"] for r in results["results"]))
        self.assertEqual(len(list((self.root / "test-run/visualizations").iterdir())), 8)
        outlined = {"DATASET_DIR": self.root / "instance_segmentation", "OUTPUT_DIR": self.root / "outlined", "SAVE_VISUALIZATIONS": "false"}  # the same objects, as outlines
        run = self.succeed("ultralytics/predict.py", INFERENCE_TYPE="test_run", CHECKPOINT_FILE=best, TASK_TYPE="object_detection", **outlined)
        self.assertAlmostEqual(run.relay.calls[-1].body["overall_metrics"]["mAP50-95"], done.body["overall_metrics"]["mAP50-95"], delta=0.05)
        self.explain(best, data)
        self.succeed("ultralytics/predict.py", "--checkpoint", str(best), "--image", str(data / "images/val/a/000.png"), "--output", str(self.root / "one"))
        self.assertEqual(json.loads((self.root / "one/results.json").read_text())["num_images"], 1)
        self.export(best, data)
        self.assertEqual([p.name for p in best.parent.iterdir() if p.suffix not in {".pt"}], [])

    def export(self, best: Path, data: Path) -> None:
        whole = {"CHECKPOINT_FILE": best, "TASK_TYPE": "object_detection", "DATASET_DIR": data}
        for name, more in (("torchscript", {"INPUT_SIZE": "[96, 128]"}), ("onnx", {"ENABLE_VALIDATION": "true", "CONFIDENCE_THRESHOLD": 0.1, "IOU_THRESHOLD": 0.5})):
            with self.subTest(name):
                self.needs("onnx", "onnxruntime", "onnxscript")
                done = self.succeed("ultralytics/export.py", EXPORT_FORMAT=name, OUTPUT_DIR=self.root / name, **whole, **more).relay.calls[-1]
                self.assertEqual(done.path, "/api/v1/export/jobs/job-1/done")
                self.assertEqual(done.body["model_info"]["input_shape"], [-1, -1, 3])
                metadata = json.loads((self.root / name / "metadata.json").read_text())
                self.assertEqual([output["name"] for output in metadata["outputs"]], ["boxes", "scores", "classes"])
                self.assertGreater(metadata["parity"]["objects"], 0)
        self.assertEqual((metadata["postprocess"]["conf_threshold"], metadata["postprocess"]["iou_threshold"]), (0.1, 0.5))  # what was asked for is what is in the graph
        self.assertEqual(done.body["validation_metrics"]["accuracy"], done.body["validation_metrics"]["original_accuracy"])
        asked = {"INFERENCE_TYPE": "test_run", "CHECKPOINT_FILE": self.root / "onnx/model.onnx", "TASK_TYPE": "object_detection", "DATASET_DIR": data, "OUTPUT_DIR": self.root / "onnx-test"}
        exported = self.succeed("ultralytics/predict.py", **asked, ENABLE_XAI="true", XAI_METHOD="lime", SAVE_VISUALIZATIONS="false")
        self.assertAlmostEqual(exported.relay.calls[-1].body["overall_metrics"]["mAP50-95"], done.body["validation_metrics"]["accuracy"])
        self.assertTrue(any(r["xai"] for r in json.loads((self.root / "onnx-test/results.json").read_text())["results"]))
        with zipfile.ZipFile(self.root / "torchscript/package.zip") as package:
            self.assertLessEqual({"README.md", "metadata.json", "model.onnx", "model.torchscript", "golden/image.png", "golden/answer.json"}, set(package.namelist()))
        for name in ("torchscript", "onnx"):  # what a stranger does first
            with zipfile.ZipFile(self.root / name / "package.zip") as package:
                package.extractall(self.root / f"{name}-package")
            tested = subprocess.run([sys.executable, "runtimes/python/example.py", "--selftest"], cwd=self.root / f"{name}-package", capture_output=True, text=True)
            self.assertEqual((tested.returncode, tested.stdout[:15]), (0, "selftest passed"), tested.stdout + tested.stderr)
        here = [str(self.root).encode(), str(TRAINERS).encode(), b"site-packages"]
        for file in (self.root / "onnx/model.onnx", self.root / "torchscript/model.torchscript"):
            self.assertEqual([path for path in here if path in file.read_bytes()], [])
        self.fail_with("multiples of 32, for example [96, 128]", "ultralytics/export.py", EXPORT_FORMAT="onnx", OUTPUT_DIR=self.root / "no", **whole, INPUT_SIZE="[90, 130]")

    def explain(self, best: Path, data: Path) -> None:
        """LayerCAM of a box lies in the box, and in the labelled object."""
        asked = {"INFERENCE_TYPE": "test_run", "CHECKPOINT_FILE": best, "TASK_TYPE": "object_detection", "DATASET_DIR": data, "OUTPUT_DIR": self.root / "xai", "ENABLE_XAI": "true", "SAVE_VISUALIZATIONS": "false"}
        self.succeed("ultralytics/predict.py", **asked, CONFIDENCE_THRESHOLD=0.1)
        found = [x for r in json.loads((self.root / "xai/results.json").read_text())["results"] for x in r["xai"]]
        self.assertGreater(sum(x["faithfulness"]["heat_inside_box"] for x in found) / len(found), 0.6)
        self.assertGreater(sum(x["faithfulness"]["pointing_game"] for x in found) / len(found), 0.5)
        self.fail_with("the model has no layer 'model.240'; near it: model.2", "ultralytics/predict.py", **asked, XAI_TARGET_LAYERS='["model.240"]')

    def assert_tests(self, out: str, task: str, metrics: set[str], field: str) -> None:
        """A test run of a model that has learnt nothing yet: everything that it finds above a tiny confidence has what its task adds."""
        run = self.succeed("ultralytics/evaluate.py", INFERENCE_TYPE="test_run", CHECKPOINT_FILE=self.root / out / "checkpoints/last.pt", TASK_TYPE=task, DATASET_DIR=self.root / task,
                           OUTPUT_DIR=self.root / f"{out}-test", CONFIDENCE_THRESHOLD=0.0001, SAVE_VISUALIZATIONS="false")
        self.assertLessEqual(metrics, set(run.relay.calls[-1].body["overall_metrics"]))
        results = json.loads((self.root / f"{out}-test/results.json").read_text())["results"]
        found = [box for r in results for box in r["predictions"]["boxes"]]
        self.assertTrue(found and all(field in box for box in found))
        self.assertEqual(sum(len(r["ground_truth"]["boxes"]) for r in results), 7)

    def test_segmentation(self) -> None:
        run = self.succeed(TRAIN, **self.job("instance_segmentation", "segment", LEARNING_RATE=1e-6))
        self.assertLessEqual({"seg_loss", "mAP50-95", "mAP50-95(M)", "precision(M)"}, set(run.relay.of("heartbeat")[1]["metrics"]))
        self.assert_validation(run.relay.of("validation")[1], classes=3, images=8, background=True)
        self.assertEqual(run.relay.of("validation")[1]["primary_metric_name"], "mAP50-95(M)")
        self.assertEqual([body["primary_metric_value"] for body in run.relay.of("validation")], [0, 0])  # of equals the first is the best
        self.assertEqual(run.done["final_metrics"]["best_epoch"], 1)
        checkpoints = self.root / "segment/checkpoints"
        self.assertFalse(self.of_one_epoch(checkpoints / "best.pt", checkpoints / "last.pt"))
        self.assert_tests("segment", "instance_segmentation", {"mAP50-95", "mAP50-95(M)"}, "segmentation")

    def test_rotated_boxes(self) -> None:
        change = {"MODEL_NAME": "yolo11n-obb", "DATASET_DIR": self.root / "instance_segmentation", "EPOCHS": 6, "BATCH_SIZE": 4, "CONFIG_JSON": '{"config": {"nbs": 4, "mosaic": 0.0, "warmup_epochs": 1.0}}'}
        run = self.succeed(TRAIN, **{**self.job("object_detection", "oriented"), **change})
        first, last = run.relay.of("heartbeat")[0]["metrics"], run.relay.of("heartbeat")[-1]["metrics"]
        self.assertLessEqual({"box_loss", "mAP50", "mAP50-95"}, set(first))
        self.assertLess(last["loss"], first["loss"])
        body = run.relay.of("validation")[-1]
        self.assert_validation(body, classes=3, images=8, background=True)
        self.assertEqual(sum(map(sum, body["confusion_matrix"][:3])), 7)
        images = json.loads((self.root / "oriented" / body["image_results_path"]).read_text())["images"]
        corners = [item["segmentation"][0] for image in images for item in image["ground_truth"]]
        self.assertEqual([len(points) for points in corners], [8] * 7)
        self.assertTrue(all(0 <= v <= 96 for points in corners for v in points))
        best = self.root / "oriented/checkpoints/best.pt"
        self.succeed("ultralytics/predict.py", "--checkpoint", str(best), "--image", str(self.root / "instance_segmentation/images/val/a/000.png"), "--output", str(self.root / "turned"), CONFIDENCE_THRESHOLD="0.001")
        (record,) = json.loads((self.root / "turned/results.json").read_text())["results"]
        self.assertIsNone(record["error"])
        asked = {"EXPORT_FORMAT": "torchscript", "CHECKPOINT_FILE": best, "TASK_TYPE": "object_detection", "OUTPUT_DIR": self.root / "turned-export", "CONFIDENCE_THRESHOLD": "0.001"}
        self.fail_with("set INCLUDE_POSTPROCESSING=false", "ultralytics/export.py", **asked)
        self.succeed("ultralytics/export.py", **asked, INCLUDE_POSTPROCESSING="false")
        parity = json.loads((self.root / "turned-export/metadata.json").read_text())["parity"]
        self.assertGreater(parity["objects"], 0)
        self.assertLess(parity["pixels"], 0.01)

    def test_pose_from_pretrained_weights(self) -> None:
        weights = self.weights("yolo11n-pose")
        run = self.succeed(TRAIN, **self.job("pose_estimation", "pose", EPOCHS=1, PRETRAINED_WEIGHTS=weights))
        self.assertRegex(run.output, r"Transferred \d\d\d/\d\d\d items from pretrained weights")
        self.assertLessEqual({"pose_loss", "kobj_loss", "mAP50-95(P)", "recall(P)"}, set(run.relay.of("heartbeat")[0]["metrics"]))
        self.assert_tests("pose", "pose_estimation", {"mAP50-95", "mAP50-95(P)"}, "keypoints")

    def test_classification_names_the_true_classes(self) -> None:
        trackers = {"PYTHONPATH": f"{GUARD}{os.pathsep}{Path(__file__).with_name('trackers')}"}  # installed, and not to be used
        run = self.succeed(TRAIN, **self.job("image_classification", "classify", **trackers))
        again = self.succeed(TRAIN, **self.job("image_classification", "again"))
        self.assertEqual(again.relay.of("heartbeat")[1]["metrics"], run.relay.of("heartbeat")[1]["metrics"])  # the seed is fixed
        body = run.relay.of("validation")[1]
        self.assert_validation(body, classes=3, images=9)
        self.assertEqual([row["class_name"] for row in body["per_class_metrics"]], ["a circle", "a square", "a triangle"])
        images = json.loads((self.root / "classify" / body["image_results_path"]).read_text())["images"]
        self.assertEqual([i["ground_truth"]["class_id"] for i in images], [0] * 3 + [1] * 3 + [2] * 3)
        self.assertAlmostEqual(sum(i["correct"] for i in images) / 9, body["primary_metric_value"], 4)
        self.assert_true_loss(run.relay.of("heartbeat")[1]["metrics"]["val_loss"], images)

    def test_every_preset_learns(self) -> None:
        base = {"EPOCHS": 10, "IMAGE_SIZE": 64, "LEARNING_RATE": 0.003, "CONFIG_JSON": '{"config": {"nbs": 8, "warmup_epochs": 1.0}}'}
        self.succeed(TRAIN, **self.job("image_classification", "base", **base))  # from nothing, three epochs are too few
        best = self.root / "base/checkpoints/best.pt"
        assert_presets_learn(self, "ultralytics", self.root, MODEL_NAME="yolo11n-cls", IMAGE_SIZE=64, LEARNING_RATE=0.001, PRETRAINED_WEIGHTS=best)

    def test_a_cut_epoch_leaves_no_trace(self) -> None:
        """SIGTERM in the middle of an epoch, then a resume: every epoch is that of the uninterrupted training, gradients that are accumulated included."""
        options = {"EPOCHS": 3, "NUM_WORKERS": 2, "CONFIG_JSON": json.dumps({"config": {"nbs": 16, "warmup_epochs": 2.0, "close_mosaic": 1}})}
        whole = self.succeed(TRAIN, **self.job("object_detection", "uncut", **options))
        run = self.trainer("tests/cut.py", str(TRAINERS / TRAIN), **self.job("object_detection", "cut", CUT_AT=5, **options))
        self.assertEqual(run.code, 143, run.output[-3000:])
        self.assertEqual((run.epochs(), run.relay.of("event")[-1]["data"]), ([1], {"epoch": 1}))
        self.assertEqual(self.epoch_of(self.root / "cut/checkpoints/last.pt"), (0, True))
        rest = self.succeed(TRAIN, **self.job("object_detection", "rest", RESUME_CHECKPOINT=self.root / "cut/checkpoints/last.pt", **options))
        self.assertEqual([b["metrics"] for b in rest.relay.of("heartbeat")], [b["metrics"] for b in whole.relay.of("heartbeat")[1:]])

    def test_weights_of_another_model_are_named(self) -> None:
        weights = self.weights("yolo11n")
        two = fixtures.write_yolo(self.root / "two", "object_detection")
        run = self.succeed(TRAIN, **{**self.job("object_detection", "fits", EPOCHS=1, IMAGE_SIZE=70, PRETRAINED_WEIGHTS=weights), "DATASET_DIR": two})
        self.assertRegex(run.output, r"weights: \d+ of \d+ tensors from yolo11n.pt; fresh: model.23.cv3.0.2.bias, ")
        weights_loaded, adjusted = run.relay.of("event")
        self.assertIn("tensors from yolo11n.pt; fresh: model.23.cv3.0.2.bias", weights_loaded["message"])
        self.assertEqual(adjusted["message"], "IMAGE_SIZE 70 is not a multiple of the model's stride of 32: trained with 96")
        self.assertIn("its head names no classes", weights_loaded["message"])
        both = r"do not fit the model: \d+ of its \d+ tensors are not in them \(.+\) and \d+ have another shape there \(model"
        told = self.fail_with("do not fit the model: ", TRAIN, **self.job("image_classification", "not", EPOCHS=1, PRETRAINED_WEIGHTS=weights))
        self.assertRegex(told.done["error_message"], both)

    def test_a_head_of_other_classes_is_left_out(self) -> None:
        """Also where their number is the same; with the same classes in the same order all of it is taken, and rows of common names."""
        probe = str(PROBE.with_name("probe_heads.py"))
        found = warm.run([probe, str(self.root)], environment(None, package=TRAINERS / "ultralytics"))
        self.assertEqual(found.returncode, 0, found.stderr[-3000:])
        self.assertEqual(json.loads(found.stdout.splitlines()[-1]), [])

    def weights(self, model: str) -> Path:
        """Fresh weights of a model as Ultralytics saves them, for its own 80 classes."""
        path = self.root / f"{model}.pt"
        make = f"import sys, offline; from ultralytics import YOLO; YOLO('{model}.yaml').save(sys.argv[1])"
        warm.run(["-c", make, str(path)], environment(None, package=TRAINERS / "ultralytics"), check=True)
        return path

    def test_what_is_not_set_is_chosen_for_the_model(self) -> None:
        code = (
            "import offline, json, train; from config_schema import schema; from trainer_sdk import Job, Platform, check_options\n"
            "def chosen(task, model, env={}, **options):\n"
            "    job = Job.load((), {'TASK_TYPE': task, 'MODEL_NAME': model, **env}); options = check_options(options, schema())\n"
            "    o = train.build_overrides(train.with_defaults(job, Platform(job, rank=1), options), options); return [o['imgsz'], o['lr0'], o['warmup_bias_lr']]\n"
            "chosen('object_detection', 'yolo11n', {'LEARNING_RATE': '0.5'}); chosen('object_detection', 'yolo11n', optimizer='auto')\n"
            "print(json.dumps([chosen('object_detection', 'yolo11n'), chosen('image_classification', 'yolo11n-cls', optimizer='SGD')]))"
        )
        found = warm.run(["-c", code], environment(None, package=TRAINERS / "ultralytics"))
        self.assertEqual(found.returncode, 0, found.stderr[-2000:])
        self.assertEqual(json.loads(found.stdout.splitlines()[-1]), [[640, 0.001, 0.0], [224, 0.01, 0.0]])
        self.assertEqual(found.stdout.count("starts from scratch: there are no pretrained weights of it"), 4)
        self.assertEqual(found.stdout.count("LEARNING_RATE 0.5 is far from the 0.001 that suits yolo11n"), 1)

    # --- stop, resume, several processes -----------------------------------------------------------

    def test_a_stopped_training_is_resumed_where_it_was(self) -> None:
        with Relay() as relay, started(TRAIN, relay, **self.job("object_detection", "stop", EPOCHS=500)) as process:
            relay.wait_for("heartbeat", 2, lambda: process.poll() is None)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 143, output[-3000:])
        completed = len(relay.of("heartbeat"))
        self.assertEqual(relay.of("done"), [])
        self.assertEqual(relay.of("event")[-1]["data"], {"epoch": completed})
        last = self.root / "stop/checkpoints/last.pt"
        self.assertEqual(self.epoch_of(last), (completed - 1, True))

        run = self.succeed(TRAIN, **self.job("object_detection", "resumed", EPOCHS=completed + 2, RESUME_CHECKPOINT=last))
        self.assertEqual(run.epochs(), [completed + 1, completed + 2])
        with (self.root / "resumed/train/results.csv").open() as file:
            self.assertEqual([int(row["epoch"]) for row in csv.DictReader(file)], list(range(1, completed + 3)))
        self.assertEqual(run.done["final_metrics"]["epochs"], completed + 2)

        # The machine is lost after the last epoch and before done: nothing is left to train, whether the optimizer is still in the file or not.
        for name, epochs in (("resumed", completed + 2), ("stop", completed)):
            with self.subTest(name):
                end = self.succeed(TRAIN, **self.job("object_detection", f"end-{name}", EPOCHS=epochs, RESUME_EPOCH=epochs, RESUME_CHECKPOINT=self.root / name / "checkpoints/last.pt"))
                self.assertEqual([c.kind for c in end.relay.calls], ["heartbeat", "validation", "done"], end.relay.of("event"))
                self.assertEqual(end.epochs(), [epochs])
                self.assertIn(f"the run is finished already with {epochs} epochs: EPOCHS={epochs} leaves nothing to train\n", end.output)
                self.assert_validation(end.relay.of("validation")[0], classes=3, images=8, background=True)
                self.assertEqual(end.done["final_metrics"]["epochs"], epochs)
                self.assertEqual(self.epoch_of(self.root / f"end-{name}/checkpoints/last.pt"), (-1, False))
                if name == "resumed":
                    self.assertEqual(end.done["final_metrics"]["best_epoch"], run.done["final_metrics"]["best_epoch"])
                    self.assertNotIn("Starting training", end.output)

        star = self.with_a_star()
        for name, epochs in (("resumed", 9), ("stop", 9)):  # a finished checkpoint and one under way
            renamed = {**self.job("object_detection", "renamed", EPOCHS=epochs, RESUME_EPOCH=completed, RESUME_CHECKPOINT=self.root / name / "checkpoints/last.pt"), "DATASET_DIR": star}
            told = self.fail_with("has the classes ['circle', 'square', 'triangle'], the dataset ['circle', 'square', 'star']", TRAIN, **renamed)
            self.assertIn("use another JOB_ID, or AGENT_RESUME=off to begin anew", told.done["error_message"])
            self.assertEqual(told.relay.of("event"), [])
            larger = {**renamed, "DATASET_DIR": self.job("object_detection", "x")["DATASET_DIR"], "MODEL_NAME": "yolo11s"}
            self.fail_with("MODEL_NAME is yolo11s, the checkpoint to resume is of yolo11n: use another JOB_ID, or AGENT_RESUME=off", TRAIN, **larger)

        finished = self.succeed(TRAIN, **self.job("object_detection", "again", EPOCHS=1, RESUME_CHECKPOINT=self.root / "resumed/checkpoints/last.pt"))
        self.assertEqual(finished.epochs(), [1])  # a finished training has no optimizer: its weights start a new one
        self.assertEqual(finished.relay.of("event")[0]["event_type"], "training_begun_anew")

    def with_a_star(self) -> Path:
        data = shutil.copytree(self.root / "object_detection", self.root / "star", ignore=shutil.ignore_patterns("*.cache"))
        for name in ("classes.json", "data.yaml"):
            (data / name).write_text((data / name).read_text().replace("triangle", "star").replace(str(self.root / "object_detection"), str(data)))
        return data

    def test_a_training_that_ends_early_says_so(self) -> None:
        early = {"EPOCHS": 15, "CONFIG_JSON": '{"patience": 1}', "CHECKPOINT_FREQUENCY": 1}
        run = self.succeed(TRAIN, **self.job("image_classification", "early", **early))
        self.assertTrue(run.ended_early(15), run.output[-3000:])
        completed = run.epochs()[-1]
        for name in ("last.pt", f"epoch-{completed}.pt"):  # without an optimizer and with it: the machine was lost before `done`
            lost = self.succeed(TRAIN, **self.job("image_classification", f"early-{name}", RESUME_CHECKPOINT=self.root / "early/checkpoints" / name, RESUME_EPOCH=completed, **early))
            self.assertTrue(lost.ends_as(run), lost.output[-3000:])
            self.assertEqual(lost.epochs(), [completed])

    def test_two_processes_report_once(self) -> None:
        run = self.succeed(TRAIN, **self.job("object_detection", "two", PET_NPROC_PER_NODE=2, OMP_NUM_THREADS=1))
        self.assertEqual([c.kind for c in run.relay.calls], ["heartbeat", "validation"] * 2 + ["done"])
        self.assertEqual(run.epochs(), [1, 2])
        self.assert_validation(run.relay.of("validation")[0], classes=3, images=8, background=True)
        self.assertEqual(self.checkpoints("two"), ["best.pt", "last.pt"])

    # --- what is refused ----------------------------------------------------------------------------

    def test_what_cannot_be_trained_is_refused_by_name(self) -> None:
        base = {k: str(v) for k, v in self.job("object_detection", "refused").items()}
        files = {"tensors.pt": None, "text.pt": b"hello", "pointer.pt": b"version https://git-lfs.github.com/spec/v1\n", "some.safetensors": b"hello"}
        for name, content in files.items():
            torch.save({"state_dict": {"a": torch.zeros(2)}}, self.root / name) if content is None else (self.root / name).write_bytes(content)
        with mock.patch.object(json, "Newer", type("Newer", (), {"__module__": "json"}), create=True):
            torch.save({"model": json.Newer()}, self.root / "own.pt")
        with mock.patch.object(torch.nn, "Newer", type("Newer", (), {"__module__": "torch.nn"}), create=True):
            torch.save({"model": torch.nn.Newer()}, self.root / "newer.pt")
        torch.save({"model": Planted(self.root / "planted")}, self.root / "planted.pt")
        cases = {
            "MODEL_NAME 'yolo11q' is not a model of Ultralytics": {"MODEL_NAME": "yolo11q"},
            "does not fit the task detect; use yolo11n": {"MODEL_NAME": "yolo11n-seg"},
            "torch sees no GPU": {"DEVICE": "cuda"},
            "LEARNING_RATE 10 is more than 1, the largest that Ultralytics takes; 0.001 suits AdamW": {"LEARNING_RATE": "10"},
            "/absent.pt do not exist": {"PRETRAINED_WEIGHTS": "/absent.pt"},
            "tensors.pt hold no model of Ultralytics": {"PRETRAINED_WEIGHTS": str(self.root / "tensors.pt")},
            "newer.pt are of another version than Ultralytics": {"PRETRAINED_WEIGHTS": str(self.root / "newer.pt")},
            "own.pt name json.Newer, which is no part of a model of Ultralytics": {"PRETRAINED_WEIGHTS": str(self.root / "own.pt")},
            "planted.pt name posix.system, which is no part of a model of Ultralytics": {"PRETRAINED_WEIGHTS": str(self.root / "planted.pt")},
            "text.pt are cut short, or no file of PyTorch": {"PRETRAINED_WEIGHTS": str(self.root / "text.pt")},
            "pointer.pt are a pointer of Git LFS": {"PRETRAINED_WEIGHTS": str(self.root / "pointer.pt")},
            "some.safetensors are not a .pt file": {"PRETRAINED_WEIGHTS": str(self.root / "some.safetensors")},
            "option 'mosaic' is 2, expected a value from 0.0 to 1.0": {"CONFIG_JSON": '{"mosaic": 2}'},
            "option 'single_cls' is not offered: the classes of a model are those of its dataset": {"CONFIG_JSON": '{"single_cls": true}'},
            "option 'classes' is not offered: the classes of a model are those of its dataset": {"CONFIG_JSON": '{"classes": [0]}'},
            "option 'conf' is not offered: it changes how validation measures": {"CONFIG_JSON": '{"conf": 0.5}'},
            "unknown option 'opset'": {"CONFIG_JSON": '{"opset": 17}'},
            "unknown option 'mosiac' (did you mean 'mosaic'?); option 'imgsz' is a setting of the job: set IMAGE_SIZE instead; option 'degrees' is 500, expected": {"CONFIG_JSON": '{"config": {"mosiac": 0.5, "imgsz": 32, "degrees": 500}}'},
        }
        probe = warm.run([str(PROBE), json.dumps([{**base, **case} for case in cases.values()])], environment(None, package=TRAINERS / "ultralytics"))
        self.assertEqual(probe.returncode, 0, probe.stderr)
        for message, told in zip(cases, json.loads(probe.stdout.splitlines()[-1]), strict=True):
            self.assertIn(message, told)
        self.assertFalse((self.root / "planted").exists())

    def test_a_refusal_reaches_the_platform(self) -> None:
        for message, change in (
            ("unknown option 'mosiac' (did you mean 'mosaic'?)", {"CONFIG_JSON": '{"config": {"mosiac": 1}}'}),
            ("PRIMARY_METRIC 'accuracy' is not measured here; there are mAP50", {"PRIMARY_METRIC": "accuracy", "EPOCHS": 1}),
        ):
            run = self.fail_with(message, TRAIN, **{**self.job("object_detection", "refused"), **change})
            self.assertIn(message, run.done["error_message"])

    def test_a_dataset_that_ultralytics_would_thin_out_is_refused(self) -> None:
        outside, bare, renamed, empty = (fixtures.write_yolo(self.root / name, "object_detection") for name in ("outside", "bare", "ring", "empty"))
        for labels in (empty / "labels/val").rglob("*.txt"):
            labels.write_text("")
        (outside / "labels/train/a/003.txt").write_text("0 0.5 0.5 1.5 0.2\n")
        (bare / "labels/train/a/003.txt").unlink()
        classes = json.loads((renamed / "classes.json").read_text())
        classes["classes"][0]["name"] = "ring"
        (renamed / "classes.json").write_text(json.dumps(classes))
        self.assert_refused("ultralytics", self.job("object_detection", "broken-out"), {
            "dropped 1 of 24 images": {"DATASET_DIR": outside},
            "no label file": {"DATASET_DIR": bare},
            "val: none of the 8 images has a labelled object: there is nothing to measure against. Annotate some of them, or divide": {"DATASET_DIR": empty},
            "classes.json": {"DATASET_DIR": renamed},
        })

    def test_what_the_first_batch_would_fail_with_is_refused(self) -> None:
        small = fixtures.write_imagefolder(self.root / "small", train=6, val=3)
        Image.new("RGB", (9, 40)).save(small / "train/0-circle/000.png")
        one = fixtures.write_imagefolder(self.root / "one", train=6, val=3)
        for image in (p for name in ("1-square", "2-triangle") for p in (one / "train" / name).iterdir()):
            image.rename(one / "train/0-circle" / image.name)
        detection = self.job("object_detection", "first")
        self.assert_refused("ultralytics", self.job("image_classification", "first", EPOCHS=1), {
            "single image of 32 px, from which a batch norm cannot learn: set BATCH_SIZE to another number than 1, or IMAGE_SIZE to 64 or more": {**detection, "EPOCHS": 1, "BATCH_SIZE": 1, "IMAGE_SIZE": 32},
            "1 of them have a side of less than 10 pixels": {"DATASET_DIR": small},
            "train: all 6 images are of the class 'a circle'": {"DATASET_DIR": one},
        })

    def test_every_field_of_the_schema_reaches_ultralytics(self) -> None:
        found = warm.run([str(PROBE)], environment(None, package=TRAINERS / "ultralytics"))
        self.assertEqual(found.returncode, 0, found.stderr)
        self.assertEqual(json.loads(found.stdout.splitlines()[-1]), [])


if __name__ == "__main__":
    unittest.main()
