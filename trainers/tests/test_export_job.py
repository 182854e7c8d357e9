"""An export job with a model that is made up: what it tells, what it refuses, and what it leaves."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import fixtures
import numpy as np
import torch
from deploy_parts import described
from metadata_schema import schema_faults
from PIL import Image
from torch import nn
from trainer_sdk import Job, JobError, Platform
from trainer_sdk.export import ExportRequest
from trainer_vision.classifier import Classifier
from trainer_vision.deploy import calibrate, evaluate
from trainer_vision.deploy.classifiers import subjects
from trainer_vision.deploy.job import Export
from trainer_vision.deploy.output import clear
from trainer_vision.deploy.reader import Reader
from trainer_vision.deploy.stopping import Stopped
from trainer_vision.deploy.subject import CLASSIFY, DETECT, LETTERBOX, STRETCH, Objects, Preprocess, Subject, broken
from trainer_vision.inference import Objects as Found
from trainer_vision.inference import Predictor
from trainer_vision.inference.samples import task_of


class Mean(nn.Module):
    """A square is what is brighter on the left."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.stack([images[..., 16:].mean((1, 2, 3)), images[..., :16].mean((1, 2, 3))], 1)


@torch.inference_mode()
def mean(batch: list[np.ndarray]) -> torch.Tensor:
    return Mean()(torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2) / 255).softmax(1)


class Jobs(unittest.TestCase):
    """A whole job with a model that is made up."""

    def job(self, root: Path, model: nn.Module, stopped: bool = False, **more: str) -> tuple[Platform, list[Any], Path]:
        data = fixtures.write_imagefolder(root / "data", classes=2)
        knows = Predictor(["a circle", "a square"], np.asarray, lambda batch: batch, lambda raw, *_: [np.array([0.9, 0.1] if one[..., 0].max() > 200 else [0.1, 0.9]) for one in raw], task="image_classification")
        if isinstance(model, Mean):  # it is its own original
            knows = replace(knows, prepare=lambda image: np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)), infer=mean, decode=lambda raw, *_: list(raw.numpy()))
        one = Subject(model, CLASSIFY, "test", "none", knows.names, Preprocess(STRETCH, 32, 32, antialias=True), knows)
        env = {"TASK_TYPE": "image_classification", "DATASET_DIR": str(data), "OUTPUT_DIR": str(root / "out"), "EXPORT_FORMAT": "torchscript", "CHECKPOINT_FILE": __file__, "INCLUDE_PREPROCESSING": "true", "INCLUDE_POSTPROCESSING": "true", **more}
        job = Job.load((), env)
        request = ExportRequest.load(job, [], ["torchscript", "onnx", "tensorrt"], env)
        request.output_dir.mkdir()
        platform, told = Platform(job, rank=1), []
        platform.stop_requested = stopped
        platform.export_progress = lambda percent, stage, message: told.append((percent, stage))  # type: ignore[method-assign]
        platform.export_done = lambda results=None, error=None: told.append((results, error))  # type: ignore[method-assign]
        with tempfile.TemporaryDirectory() as work:
            Export(job, platform, request, one, Path(work)).all()
        return platform, told, request.output_dir

    def test_the_callbacks_of_a_job(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            _, told, out = self.job(Path(folder), Mean(), EXPORT_FORMAT="onnx", ENABLE_VALIDATION="true")
            *steps, (done, error) = told
            size, about = (out / "model.onnx").stat().st_size, json.loads((out / "metadata.json").read_text())
            self.assertEqual(sorted(p.name for p in out.iterdir()), ["metadata.json", "model.onnx", "package.zip"])
        self.assertEqual(list(dict.fromkeys(stage for _, stage in steps)), ["converting", "validating", "packaging", "uploading"])
        percents = [percent for percent, _ in steps]
        self.assertEqual(percents, sorted(percents))
        self.assertEqual((percents[0], percents[-1], steps[-1][1]), (10, 95, "uploading"))
        self.assertIsNone(error)
        self.assertEqual({k: done[k] for k in ("export_path", "metadata_path", "package_path")}, {"export_path": "model.onnx", "metadata_path": "metadata.json", "package_path": "package.zip"})
        self.assertEqual(done["validation_metrics"], {**done["validation_metrics"], "accuracy": done["validation_metrics"]["original_accuracy"], "accuracy_drop": 0.0, "passed": True})
        info = done["model_info"]
        self.assertEqual((info["input_shape"], info["output_shape"], info["model_size_mb"]), ([-1, -1, 3], [2], round(size / 2**20, 3)))
        self.assertEqual((info["inference_speed_ms"], info["inference_speed_p95_ms"]), (about["timing"]["median_ms"], about["timing"]["p95_ms"]))
        self.assertTrue(0 < info["inference_speed_ms"] <= info["inference_speed_p95_ms"])

    @unittest.skipIf(torch.cuda.is_available(), "there is a GPU, which builds the engine")
    def test_without_a_gpu_tensorrt_says_why_and_leaves_what_it_is_built_from(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(JobError, "builds its engine on a GPU of NVIDIA's, and this machine has none. model.onnx, which this job leaves"):
                self.job(Path(folder), Mean(), EXPORT_FORMAT="tensorrt")
            self.assertEqual([p.name for p in (Path(folder) / "out").iterdir()], ["model.onnx"])

    def test_a_stop_that_a_library_has_swallowed_ends_the_export_at_the_next_step(self) -> None:
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(Stopped):
            self.job(Path(folder), Mean(), stopped=True)

    def test_what_does_not_fit_on_the_disk_leaves_no_part_of_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            with mock.patch("trainer_vision.deploy.job.hand", side_effect=OSError(28, "No space left on device")), self.assertRaises(OSError):
                self.job(Path(folder), Mean(), EXPORT_FORMAT="onnx")
            self.assertEqual(list((Path(folder) / "out").iterdir()), [])

    def test_a_validation_that_fails_leaves_its_report_and_no_model(self) -> None:
        class Wrong(nn.Module):
            def forward(self, images: torch.Tensor) -> torch.Tensor:
                return images.mean((2, 3))[:, :2] * 0 + torch.tensor([1.0, 0.0])

        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(JobError, r"accuracy is 0\.\d+, the original's .* more than ACCURACY_DROP_MAX 0.02. Set a larger one"):
                self.job(Path(folder), Wrong(), ENABLE_VALIDATION="true")
            self.assertEqual([p.name for p in (Path(folder) / "out").iterdir()], ["validation.json"])
            report = json.loads((Path(folder) / "out/validation.json").read_text())
            self.assertEqual((report["passed"], report["images"]), (False, 9))
            self.assertAlmostEqual(report["accuracy_drop"], report["original_accuracy"] - report["accuracy"])

    def test_other_classes_are_refused_before_anything_is_converted(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            job = Job.load((), {"DATASET_DIR": str(fixtures.write_imagefolder(Path(folder) / "data", classes=3))})
            with self.assertRaisesRegex(JobError, r"VALIDATION_DATASET_ID: the checkpoint knows the classes \['a'\], the dataset has"):
                evaluate.check(job, Predictor(["a"], np.asarray, lambda batch: batch, lambda raw, *_: raw))
        with self.assertRaisesRegex(JobError, "set VALIDATION_DATASET_ID"):
            evaluate.check(Job.load((), {}), Predictor(["a"], np.asarray, lambda batch: batch, lambda raw, *_: raw))

    def test_a_classifier_by_words_is_exported_under_either_name(self) -> None:
        one = Classifier(nn.Flatten(), ["a", "b"], torch.as_tensor, Preprocess(STRETCH, 32, 32, antialias=True), "clip")
        for task in ("zero_shot_classification", "image_classification"):
            env = {"TASK_TYPE": task, "EXPORT_FORMAT": "onnx", "CHECKPOINT_FILE": __file__}
            job = Job.load((), env)
            with mock.patch.dict("os.environ", TASK_TYPE=task):
                made = subjects(lambda *_: one, "huggingface")(job, ExportRequest.load(job, [], ["onnx"], env))
                self.assertEqual(task_of(made.predictor, job, Path("checkpoint")), task)

    def test_a_damaged_checkpoint_is_refused_before_it_is_loaded(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "best.pt"
            torch.save({"a": torch.ones(5000), "b": torch.ones(5000)}, whole)
            content = bytearray(whole.read_bytes())
            content[len(content) // 2] ^= 1
            whole.write_bytes(content)
            env = {"TASK_TYPE": "image_classification", "EXPORT_FORMAT": "onnx", "CHECKPOINT_FILE": str(whole), "OUTPUT_DIR": folder, "PYTHONPATH": os.pathsep.join(sys.path)}
            done = subprocess.run([sys.executable, "-c", "from trainer_vision.deploy.job import export; export(lambda *_: 1 / 0)"], capture_output=True, text=True, env={**os.environ, **env})
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, "the checkpoint best.pt is damaged: .*/data/. in it is not what was saved. Upload it again")

    def test_weights_that_are_no_numbers_are_named(self) -> None:
        """A detector of such finds nothing, and so does its export."""
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.assertIsNone(broken(model))
        model[1].running_var[0] = math.inf
        self.assertEqual(broken(model), "1 of 6 weights of the checkpoint hold NaN or infinity, the first is 1.running_var: export a checkpoint of an earlier epoch")

    def test_a_job_that_begins_again_leaves_nothing_of_the_first(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "model.openvino").mkdir()
            for name in ("model.openvino/model.xml", "model.onnx", "metadata.json", "package.zip", "validation.json", "job.log"):
                (root / name).touch()
            clear(root)
            self.assertEqual([p.name for p in root.iterdir()], ["job.log"])

    def test_an_empty_split_is_that_of_the_validation_dataset(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            job = Job.load((), {"DATASET_DIR": str(fixtures.write_imagefolder(Path(folder) / "data", classes=2))})
            shutil.rmtree(job.dataset_dir / "train")
            with self.assertRaisesRegex(JobError, "VALIDATION_DATASET_ID: the split 'train' has no image; the dataset has val"):
                calibrate.inputs(job, Reader(described(Preprocess(STRETCH, 32, 32, antialias=True), True)))

    def test_a_file_that_says_something_else_is_not_handed_over(self) -> None:
        class Broken(nn.Module):
            def forward(self, images: torch.Tensor) -> torch.Tensor:
                return images.mean((2, 3))[:, :2] * float("nan")

        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(JobError, "does not say what the original says on 8 images: they differ by"):
            self.job(Path(folder), Broken())
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(JobError, "on 8 images: it answers with NaN; set another QUANTIZATION_TYPE"):
            self.job(Path(folder), Broken(), QUANTIZATION_TYPE="dynamic")

    def test_a_quantized_file_far_from_the_original_is_refused(self) -> None:
        """Its selftest could not tell it from a broken one."""
        class Blunt(nn.Module):
            def forward(self, images: torch.Tensor) -> torch.Tensor:
                return images.mean((2, 3))[:, :2] * 0

        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(JobError, "the dynamic int8 model is far from the original on each of 8 images"):
            self.job(Path(folder), Blunt(), QUANTIZATION_TYPE="dynamic")

    def test_a_loss_that_nobody_measures_is_said(self) -> None:
        for settings, said in (({"QUANTIZATION_TYPE": "dynamic"}, True), ({"QUANTIZATION_TYPE": "dynamic", "ENABLE_VALIDATION": "true"}, False), ({}, False)):
            with self.subTest(**settings), tempfile.TemporaryDirectory() as folder, mock.patch.object(Export, "say") as say:
                self.job(Path(folder), Mean(), **settings)
                self.assertEqual([call.args[0] for call in say.call_args_list], ["export_unmeasured"] * said)


class Faint(nn.Module):
    """A detector that is never sure of one of its 16 boxes; `end_to_end` it says so of one."""

    def __init__(self, end_to_end: bool = False) -> None:
        super().__init__()
        self.end_to_end = end_to_end

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        places = nn.functional.avg_pool2d(images, 8).flatten(2)
        if self.end_to_end:
            return 0.2 * places[:, [0, 1, 2, 0, 1, 2], :1].transpose(1, 2)
        return torch.cat([8 + 8 * places, 8 + 8 * places[:, :1], 0.2 * places[:, :2]], 1)


class NothingFound(unittest.TestCase):
    """Files of a detector that finds no object on any image."""

    def export(self, folder: str, model: Faint, **more: str) -> tuple[list[str], dict[str, Any], str]:
        """The events, metadata.json and the package's README."""
        root = Path(folder)
        env = {"TASK_TYPE": "object_detection", "OUTPUT_DIR": folder, "EXPORT_FORMAT": "torchscript", "CHECKPOINT_FILE": __file__, **more}
        job = Job.load((), env)
        none = Found(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
        knows = Predictor(["a", "b"], np.asarray, lambda batch: batch, lambda raw, *_: [none] * len(raw), task="object_detection")
        one = Subject(model, DETECT, "test", "none", knows.names, Preprocess(LETTERBOX, 32, 32), knows, Objects(0.25, 0.5, end_to_end=model.end_to_end))
        with mock.patch.object(Export, "say") as say, tempfile.TemporaryDirectory() as work:
            Export(job, Platform(job, rank=1), ExportRequest.load(job, [], ["torchscript"], env), one, Path(work)).all()
        with zipfile.ZipFile(root / "package.zip") as package:
            readme = package.read("README.md").decode()
        return [call.args[0] for call in say.call_args_list], json.loads((root / "metadata.json").read_text()), readme

    def test_boxes_below_the_threshold_are_compared(self) -> None:
        for post in ("true", "false"):
            with self.subTest(post=post), tempfile.TemporaryDirectory() as folder:
                events, about, readme = self.export(folder, Faint(), INCLUDE_POSTPROCESSING=post)
                found = about["parity"]
                self.assertEqual((events, schema_faults(about)), (["export_unproven"], []))
                self.assertEqual((found["images"], found["objects"], found["candidates"], found["probability"]), (8, 0, 8 * 16, None))
                self.assertTrue(0 <= found["pixels"] < 0.01 and 0 <= found["score"] < 0.001, found)
                self.assertIn("In their place 128 boxes below the confidence threshold", found["note"])
                self.assertIn(found["note"], readme)

    def test_another_box_fails_the_job(self) -> None:
        compared = Export.raw

        def apart(*asked: Any) -> Any:
            return ((truth, found + 1) for truth, found in compared(*asked))

        with mock.patch.object(Export, "raw", apart), tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(JobError, "they differ by 1 pixels"):
            self.export(folder, Faint())

    def test_where_none_can_be_compared_no_number_says_otherwise(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            events, about, readme = self.export(folder, Faint(end_to_end=True))
        found = about["parity"]
        self.assertEqual((events, schema_faults(about)), (["export_unproven"], []))
        self.assertEqual([found[name] for name in ("objects", "candidates", "pixels", "score", "probability", "pixel_agreement", "mask_overlap")], [0, 0, *[None] * 5])
        self.assertIn("nothing is proven about boxes", found["note"])
        self.assertIn(found["note"], readme)


STOPPING = """
import subprocess, sys
from trainer_sdk import JobError
from trainer_sdk.process import run
from trainer_vision.deploy.stopping import at_once

def main(job, platform):
    child = subprocess.Popen([sys.executable, "-c", "print('ready', flush=True); input()"], stdin=subprocess.PIPE)
    try:
        child.wait()
    except BaseException:
        print("interrupted", flush=True)
        child.kill()
        if %r == "converter":
            raise JobError("the converter ended with -15")
        raise

run(at_once(main), argv=[], fail="export_done")
"""


class Stopping(unittest.TestCase):
    def test_a_signal_ends_the_export_where_it_is_and_is_no_failure(self) -> None:
        for what, asked in (("export", signal.SIGTERM), ("converter", signal.SIGTERM), ("export", signal.SIGINT)):
            with self.subTest(what=what, asked=asked.name), subprocess.Popen([sys.executable, "-c", STOPPING % what], stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout
                self.assertEqual(process.stdout.readline(), "ready\n")
                process.send_signal(asked)
                self.assertEqual(process.stdout.read(), "interrupted\n")  # and no final callback, which it would print here
                self.assertEqual(process.wait(), 143)

    def test_what_is_handed_over_has_its_name_when_all_of_it_is_whole(self) -> None:
        """Whoever is killed before that leaves nothing under a name, and the next run takes the parts away."""
        with tempfile.TemporaryDirectory() as name:
            folder, out = Path(name, "package"), Path(name, "out")
            out.mkdir()
            (folder / "model.openvino").mkdir(parents=True)
            (folder / "model.openvino/model.xml").write_text("whole")
            described = {"model": {"file": "model.openvino", "size_bytes": 5}, "timing": None, "input": {"shape": []}, "outputs": [{"shape": []}]}
            (folder / "metadata.json").write_text(json.dumps(described))
            export = mock.Mock(request=mock.Mock(output_dir=out, target=out / "model.openvino"))
            with mock.patch("shutil.move", side_effect=OSError("No space left on device")), self.assertRaises(OSError):
                Export.hand_over(export, folder, described, mock.Mock(validation=None))
            self.assertEqual([path.name for path in out.iterdir() if not path.name.endswith(".tmp")], [])
            Export.hand_over(export, folder, described, mock.Mock(validation=None))
            self.assertEqual(sorted(path.name for path in out.iterdir()), ["metadata.json", "model.openvino", "package.zip"])
            self.assertEqual((out / "model.openvino/model.xml").read_text(), "whole")
            (out / ".model.openvino.tmp").mkdir()  # of a job that was killed
            clear(out)
            self.assertEqual(list(out.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
