"""What an exported file says of itself, what a job may ask of it, and the package around it."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import json
import os
import tempfile
import unittest
import zipfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from deploy_parts import Corners, described, nothing, subject
from metadata_schema import schema_faults
from PIL import Image
from torch import nn
from trainer_sdk import Job, JobError
from trainer_sdk.export import ExportRequest
from trainer_sdk.inference import InferenceRequest
from trainer_vision import classifier_predict
from trainer_vision.deploy import exported, matrix, metadata, package, triton, worker
from trainer_vision.deploy.classifiers import subjects
from trainer_vision.deploy.formats.choice import converter
from trainer_vision.deploy.golden import runs
from trainer_vision.deploy.program import program
from trainer_vision.deploy.subject import CLASSIFY, DETECT, LETTERBOX, OBB, STRETCH, Objects, Preprocess
from trainer_vision.inference import Predictor


class Asking(unittest.TestCase):
    """A job's thresholds against those that are in an exported file."""

    def ask(self, included: bool, confidence: float | None = None, iou: float | None = None, task: str = DETECT, size: int | None = None) -> list[list[float]]:
        """The scores that a job shows, and those that it measures."""
        about = described(Preprocess(LETTERBOX, 96, 96), True)
        head = {
            **about, "model": {"task": task, "name": "m"}, "classes": [{"name": "a"}], "outputs": [{"kind": kind} for kind in (("boxes", "scores", "classes") if included else ("raw",))],
            "postprocess": {"included": included, "conf_threshold": 0.25, "iou_threshold": 0.5, "max_detections": 9, "box_space": "image", "box_format": "xyxy" if included else "cxcywh", "keypoint_shape": None},
        }
        scores = np.array([0.9, 0.6, 0.3] if included else [0.9, 0.6, 0.3, 0.1])
        boxes = np.array([[20.0 * i, 0, 20.0 * i + 10, 10] for i in range(len(scores))])
        raw = np.stack([boxes[:, 0] + 5, boxes[:, 1] + 5, 0 * scores + 10, 0 * scores + 10, scores])
        request = InferenceRequest(Path("model.onnx"), (), Path(), False, "val", 1, size, confidence, iou, False)
        fitted, surer = exported.asked(head, request)
        model = exported.predictor(fitted, lambda _image: [boxes, scores, 0 * scores] if included else [raw], None, surer)
        self.assertEqual(model.settings["confidence"], 0.25 if confidence is None else confidence)
        given = model.infer([model.prepare(Image.new("RGB", (96, 96)))])
        return [model.decode(given, [(96, 96)], measured)[0].scores.tolist() for measured in (False, True)]

    def test_thresholds_hold_where_the_file_lets_them(self) -> None:
        self.assertEqual(self.ask(True), [[0.9, 0.6, 0.3]] * 2)
        self.assertEqual(self.ask(True, 0.5, 0.5), [[0.9, 0.6], [0.9, 0.6, 0.3]])
        self.assertEqual(self.ask(False, 0.05, 0.9), [[0.9, 0.6, 0.3, 0.1]] * 2)

    def test_what_is_in_the_file_is_refused_otherwise(self) -> None:
        for message, asked in (
            ("CONFIDENCE_THRESHOLD 0.1: model.onnx was exported with 0.25", {"confidence": 0.1}), ("rotated boxes", {"task": "obb"}),
        ):
            with self.assertRaisesRegex(JobError, message):
                self.ask(True, **asked)

    def test_an_exported_classifier_of_words_is_one(self) -> None:
        made = Predictor(["a"], nothing, nothing, nothing, task="image_classification")
        with mock.patch.multiple(classifier_predict, is_exported=lambda _path: True, read=lambda _request: made, predict_with=mock.DEFAULT) as asked:
            classifier_predict.predict(nothing)
            (load,) = asked["predict_with"].call_args.args
            request = InferenceRequest(Path("model.onnx"), (), Path(), False, "val", 1, None, None, None, False)
            for task in ("zero_shot_classification", "image_classification"):
                self.assertEqual(load(Job.load((), {"TASK_TYPE": task}), request).task, task)

    def test_what_else_an_export_leaves_is_no_checkpoint(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "metadata.json").write_text("{}")
            with zipfile.ZipFile(folder / "package.zip", "w") as archive:
                archive.write(folder / "metadata.json", "metadata.json")
            torch.save({"state_dict": {}}, folder / "best.pt")
            (folder / "cut.onnx").write_bytes(b"cut")
            for checkpoint in (folder, folder / "metadata.json", folder / "package.zip", folder / "model.tflite", folder / "model.openvino"):
                with self.subTest(checkpoint.name), self.assertRaisesRegex(JobError, f"^{checkpoint.name} is of an export .* or to the model.onnx or model.torchscript"):
                    exported.refuse_others(checkpoint)
            with self.assertRaisesRegex(JobError, "cut.onnx has no metadata in it: it is broken, or"):
                exported.refuse_others(folder / "cut.onnx", classifier_predict.EXPORTED)
            for checkpoint in (folder / "best.pt", folder / "cut.onnx", folder / "none.pt"):  # the trainer's own reader knows them
                exported.refuse_others(checkpoint)

    def test_metadata_of_somebody_else_is_refused(self) -> None:
        for written in ('{"a": 1}', "[]", "null", "no JSON", '{"model": {"task": "detect"}, "postprocess": 3}'):
            request = InferenceRequest(Path("model.onnx"), (), Path(), False, "val", 1, None, None, None, False)
            with self.subTest(written), mock.patch.dict(exported.READERS, {".onnx": lambda _path, written=written: written}), self.assertRaisesRegex(JobError, "the metadata in model.onnx is not what"):
                exported.read(request)

    def test_what_has_no_effect_is_said(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.ask(True, size=96, iou=0.5)
            self.assertEqual(said.getvalue(), "")
            self.ask(True, size=640, iou=0.45)
        self.assertIn("IMAGE_SIZE 640 has no effect: model.onnx takes 96 by 96 pixels", said.getvalue())
        self.assertIn("IOU_THRESHOLD 0.45 has no effect: model.onnx was exported with 0.5", said.getvalue())


class Patches(nn.Module):
    """A transformer's embedding for images of another size than its own, as transformers has it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.arange(32.0).view(1, 2, 4, 4))

    def interpolate_pos_encoding(self, _embeddings: torch.Tensor, height: int, width: int) -> torch.Tensor:
        return nn.functional.interpolate(self.table, size=(height // 8, width // 8), mode="bicubic")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        patches = nn.functional.avg_pool2d(images[:, :2], 8)
        return (patches + self.interpolate_pos_encoding(patches, *images.shape[2:])).mean((2, 3))


class Positions(unittest.TestCase):
    def test_a_position_embedding_of_another_size_is_interpolated_before_the_export(self) -> None:
        """LiteRT has no operation for it, and others would do it again for every image."""
        spec = importlib.util.spec_from_file_location("positions", Path(__file__).parents[1] / "huggingface" / "positions.py")
        assert spec and spec.loader
        positions = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(positions)
        model, images = Patches().eval(), torch.rand(1, 3, 48, 64)
        expected = model(images)
        positions.fix(model, (48, 64))
        self.assertTrue(torch.equal(model(images), expected))
        self.assertEqual(copy.deepcopy(model).half()(images.half()).dtype, torch.float16)
        exported = torch.export.export(model, (images,), strict=False)
        self.assertNotIn("upsample", str(exported.graph))
        self.assertIn("upsample", str(torch.export.export(Patches().eval(), (images,), strict=False).graph))


class Calls(unittest.TestCase):
    def test_arrays_go_through_a_pipe_as_they_are(self) -> None:
        read, write = os.pipe()
        arrays = [np.arange(6, dtype=np.uint8).reshape(2, 3), np.float32(0.5) * np.ones((1, 0, 4), np.float32)]
        with os.fdopen(read, "rb") as source, os.fdopen(write, "wb") as out:
            worker.send(out, {"call": "run"}, arrays)
            out.close()
            message, found = worker.receive(source) or ({}, [])
            self.assertEqual(message["call"], "run")
            for array, same in zip(arrays, found, strict=True):
                self.assertEqual((array.dtype, array.shape, array.tolist()), (same.dtype, same.shape, same.tolist()))
            self.assertIsNone(worker.receive(source))


class Files(unittest.TestCase):
    def test_the_matrix_refuses_with_what_can_be_done(self) -> None:
        self.assertEqual(matrix.refusal("onnx", "static", "int8", "object_detection", "cpu"), None)
        self.assertIn("Set QUANTIZATION_TYPE=static", str(matrix.refusal("openvino", "dynamic", "int8", "object_detection", "cpu")))
        self.assertEqual(matrix.refusal("openvino", "dynamic", "int8", "image_classification", "cpu"), None)
        with self.assertRaisesRegex(JobError, "knows eight bits only"):
            matrix.check("onnx", "dynamic", "int16", "object_detection", "cpu")
        self.assertIn("RT-DETR", str(matrix.model_refusal("huggingface", "object_detection")))
        self.assertIsNone(matrix.model_refusal("huggingface", "image_classification"))

    def test_a_task_that_nobody_named_is_the_checkpoints(self) -> None:
        def load(*_: Any) -> Any:
            raise JobError("the checkpoint is read")

        request = ExportRequest(Path(__file__), "onnx", Path("/nowhere"), None, 0, True, True, "none", "int8", False, 0.02)
        for task, said in ((None, "the checkpoint is read"), ("image_classification", "the checkpoint is read"), ("object_detection", "RT-DETR")):
            env = {} if task is None else {"TASK_TYPE": task}
            with mock.patch.dict(os.environ, env), self.assertRaisesRegex(JobError, said):
                if task is None:
                    os.environ.pop("TASK_TYPE", None)
                subjects(load, "huggingface")(Job.load((), env), request)

    def test_a_node_is_called_after_its_module(self) -> None:
        from trainer_vision.deploy.formats.onnx import path_of

        self.assertEqual(path_of(["", "model", "model.net", "model.net.2", "m.0", "m.0.cv1", "conv"]), "model.net.2.m.0.cv1.conv")
        self.assertEqual(path_of(["", "post"]), "post")
        self.assertEqual(path_of([]), "graph")

    def test_the_page_has_the_matrix(self) -> None:
        page = Path(__file__).resolve().parent.parent.parent / "docs" / "export.md"
        self.assertIn(f"<!-- python -m trainer_vision.deploy.matrix -->\n\n{matrix.tables()}", page.read_text(encoding="utf-8"))

    def test_runs_are_those_of_coco(self) -> None:
        self.assertEqual(runs(np.array([[1, 0], [1, 1]])), {"size": [2, 2], "counts": [0, 2, 1, 1]})
        self.assertEqual(runs(np.array([[0, 2], [0, 2]])), {"size": [2, 2], "counts": [2, 2], "values": [0, 2]})


class Metadata(unittest.TestCase):
    def test_rows_of_rotated_boxes_have_centres_and_sizes(self) -> None:
        for head, end, said in ((OBB, True, "cxcywh_score_class"), (OBB, False, "cxcywh"), (DETECT, True, "xyxy_score_class")):
            one = subject(head, Preprocess(LETTERBOX, 96, 96), Objects(0.25, 0.5, end_to_end=end), Corners())
            made = program(one, whole=False, pixels=False, post=False, batch=False)
            self.assertEqual(metadata.postprocess(one, made)["box_format"], said)

    def test_a_description_is_what_the_schema_says(self) -> None:
        model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)).eval()
        one = subject(CLASSIFY, Preprocess(STRETCH, 32, 32, antialias=True), model=model)
        request = ExportRequest(Path(__file__), "onnx", Path("/nowhere"), None, 0, True, True, "none", "int8", False, 0.02)
        for whole in (True, False):
            made = program(one, whole=whole, pixels=False, post=True, batch=not whole)
            said = metadata.describe(Job.load((), {}), request, one, made, metadata.outputs(made, made.answer()), {}, "float32")
            self.assertEqual(schema_faults(said), [])
            self.assertEqual(said["outputs"][0]["shape"], [2] if whole else [-1, 2])
            self.assertNotIn("/nowhere", json.dumps(said))
            self.assertEqual({k: said["model"][k] for k in ("input_size", "num_classes", "class_names")}, {"input_size": [32, 32], "num_classes": 2, "class_names": one.names})
            self.assertEqual(said["runtime"], {"engine": "onnxruntime", "file": "model.onnx", "languages": ["python", "cpp", "kotlin"]})
        self.assertEqual([said["preprocessing"][k] for k in ("embedded", "data_type")], [False, "float32"])
        scaling = metadata.seed_fields(Job.load((), {}), request, one, program(one, whole=False, pixels=True, post=True, batch=True))["preprocessing"]
        # The graph takes pixels: who resizes and then normalises by these fields must not do that a second time.
        self.assertEqual((scaling["embedded"], scaling["normalize"]), (False, {"method": "none", "mean": [0.0] * 3, "std": [1.0] * 3, "scale": 1.0}))
        named = {**said, "model": {**said["model"], "name": "ViT_tiny.v2"}}
        self.assertIn('name: "ViT_tiny.v2"', str(triton.config(named)))
        self.assertIn("`ViT_tiny.v2/config.pbtxt`", package.readme(named, True, True))  # else Triton does not load it
        self.assertEqual(schema_faults({**said, "input": {**said["input"], "dtype": "float64"}}), [".input.dtype: 'float64' is not among ['uint8', 'float32']"])

    def test_a_size_that_no_image_has_is_refused(self) -> None:
        for size in ("[-32, 32]", "[0, 0]", "[32.5, 32]", "[true, 32]", "[32]", "32", "x"):
            with self.assertRaisesRegex(JobError, "expected height and width in pixels"):
                ExportRequest.load(Job.load((), {}), [], ["onnx"], {"CHECKPOINT_FILE": __file__, "INPUT_SIZE": size})

    def test_versions_are_those_of_what_the_model_is_made_of(self) -> None:
        """A trainer's environment holds other frameworks too, of which the file has nothing."""
        import timm

        request = ExportRequest(Path(__file__), "onnx", Path("/nowhere"), None, 0, True, True, "none", "int8", False, 0.02)
        plain = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
        for model, parts in ((plain, {"torch"}), (timm.create_model("resnet18", num_classes=2), {"torch", "timm"})):
            one = subject(CLASSIFY, Preprocess(STRETCH, 32, 32, antialias=True), model=model.eval())
            made = program(one, whole=True, pixels=False, post=True, batch=False)
            for name, writers in (("onnx", {"onnx", "onnxscript", "onnxruntime"}), ("torchscript", set())):
                with self.subTest(parts=parts, format=name), tempfile.TemporaryDirectory() as work:
                    more = converter(name, made, Path(work), 0, print).versions()
                    said = metadata.describe(Job.load((), {}), request, one, made, [], more, "float32")
                    self.assertEqual(set(said["versions"]), parts | writers)

    def test_a_package_has_the_files_of_the_contract_and_the_same_bytes_twice(self) -> None:
        one = subject(CLASSIFY, Preprocess(STRETCH, 32, 32, antialias=True), model=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)).eval())
        made = program(one, whole=True, pixels=False, post=True, batch=False)
        python, cpp = ("model_wrapper.py", "requirements.txt", "example.py"), ("model_wrapper.cpp", "model_wrapper.h", "CMakeLists.txt", "example.cpp")
        kotlin, swift = ("ModelWrapper.kt", "build.gradle", "Example.kt"), ("Package.swift", "Sources/ModelWrapper/ModelWrapper.swift", "Sources/Example/main.swift")
        languages = {"python": python, "cpp": cpp, "kotlin": kotlin, "swift": swift}
        for kind, more in (("onnx", ("kotlin",)), ("torchscript", ()), ("openvino", ()), ("tflite", ("kotlin",)), ("coreml", ("swift",)), ("tensorrt", ())):
            with self.subTest(format=kind), tempfile.TemporaryDirectory() as work:
                folder, request = Path(work) / "package", ExportRequest(Path(__file__), kind, Path(), None, 0, True, True, "none", "int8", False, 0.02)
                (folder / "golden").mkdir(parents=True)
                for name in (request.target.name, "model.onnx", "golden/image.png", "golden/answer.json", "left.log"):
                    (folder / name).write_text(name)
                said = metadata.describe(Job.load((), {}), request, one, made, metadata.outputs(made, made.answer()), {}, "float32")
                (folder / "metadata.json").write_text(json.dumps(said))
                package.complete(folder)
                for name in ("one.zip", "two.zip"):
                    package.pack(folder, Path(work) / name)
                    (folder / "golden/image.png").touch()
                self.assertEqual((Path(work) / "one.zip").read_bytes(), (Path(work) / "two.zip").read_bytes())
                with zipfile.ZipFile(Path(work) / "one.zip") as archive:
                    names = set(archive.namelist())
                wanted = {request.target.name, "model.onnx", "metadata.json", "README.md", "Dockerfile", "golden/image.png", "golden/answer.json"}
                wanted |= {f"runtimes/{language}/{name}" for language in ("python", "cpp", *more) for name in languages[language]}
                self.assertEqual(wanted - names, set())
                self.assertNotIn("left.log", names)
                self.assertEqual({name.split("/")[1] for name in names if name.startswith("runtimes/")}, {"python", "cpp", *more})


if __name__ == "__main__":
    unittest.main()
