"""The graph of exports, and what is read of its metadata: each part against the library that it replaces."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import json
import math
import os
import re
import sys
import tempfile
import unittest
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import fixtures
import numpy as np
import torch
import torchvision
from metadata_schema import schema_faults
from PIL import Image
from process import TrainerTest
from torch import nn
from torchvision.transforms import InterpolationMode
from trainer_sdk import Job, JobError
from trainer_sdk.export import ExportRequest
from trainer_sdk.inference import InferenceRequest
from trainer_vision import classifier_predict
from trainer_vision.deploy import exported, golden, graph, matrix, metadata, package, parity, toolbox, triton, worker
from trainer_vision.deploy.calibrate import raised
from trainer_vision.deploy.classifiers import subjects
from trainer_vision.deploy.evaluate import Validation, compare, measured
from trainer_vision.deploy.formats import Precision as FileIn
from trainer_vision.deploy.formats.choice import converter
from trainer_vision.deploy.golden import runs
from trainer_vision.deploy.program import program
from trainer_vision.deploy.reader import Reader
from trainer_vision.deploy.subject import CLASSIFY, DETECT, LETTERBOX, OBB, POSE, SEGMENT, SHORTEST_CROP, STRETCH, Objects, Preprocess, Subject
from trainer_vision.inference import Objects as Found
from trainer_vision.inference import Predictor, coco
from trainer_vision.inference.predictor import finite
from trainer_vision.masks import eval_transform
from trainer_vision.segmenter import Segmenter, predictor

DEPLOY = Path(graph.__file__).parent
TOOLBOXES = Path(__file__).resolve().parent.parent.parent / ".tools" / "toolboxes"
sys.path.insert(0, str(DEPLOY / "runtimes" / "python"))
import model_wrapper

SIZES = ((96, 96), (97, 33), (640, 480), (31, 200), (1, 1000), (1000, 1))


def picture(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(height * 10007 + width)
    small = Image.fromarray(rng.integers(0, 256, (max(1, height // 9), max(1, width // 9), 3), dtype=np.uint8))
    return np.array(small.resize((width, height), Image.Resampling.BICUBIC))


def nothing(*_: Any) -> Any:
    raise AssertionError("not asked")


def subject(head: str, how: Preprocess, objects: Objects | None = None, model: nn.Module | None = None) -> Subject:
    return Subject(model or nn.Identity(), head, "test", "none", ["a", "b"], how, Predictor(["a", "b"], nothing, nothing, nothing), objects)


class Suppression(unittest.TestCase):
    def test_it_is_greedy_suppression_of_every_class(self) -> None:
        rng = np.random.default_rng(1)
        for case in range(40):
            count = int(rng.integers(1, 400))
            centres = rng.uniform(20, 300, (max(1, count // 12), 2))[rng.integers(0, max(1, count // 12), count)] + rng.normal(0, 4, (count, 2))
            raw = np.concatenate([centres, rng.uniform(20, 60, (count, 2)), rng.uniform(0, 1, (count, 2))], 1).T.astype(np.float32)
            _boxes, scores, classes, _ = graph.Suppress(2, Objects(0.25, 0.5))(torch.from_numpy(raw)[None])
            ours = {(round(float(s), 6), int(c)) for s, c in zip(scores[0], classes[0], strict=True) if s > 0}
            best, index = torch.from_numpy(raw[4:]).max(0)
            sure = best > 0.25
            corners = torchvision.ops.box_convert(torch.from_numpy(raw[:4].T), "cxcywh", "xyxy")[sure]
            kept = torchvision.ops.batched_nms(corners, best[sure], index[sure], 0.5)
            self.assertEqual(ours, {(round(float(best[sure][i]), 6), int(index[sure][i])) for i in kept}, case)
            self.assertTrue(bool((scores[0][:-1] >= scores[0][1:]).all()))

    def test_an_end_to_end_head_is_only_cut(self) -> None:
        raw = torch.tensor([[[1.0, 2, 3, 4, 0.9, 1], [1, 2, 3, 4, 0.2, 0]]])
        _, scores, classes, _ = graph.Suppress(2, Objects(0.25, 0.5, end_to_end=True))(raw)
        np.testing.assert_allclose(scores.numpy(), [[0.9, 0]], atol=1e-6)
        self.assertEqual(classes.tolist(), [[1, 0]])


class Resizing(unittest.TestCase):
    def test_what_is_cropped_or_squeezed_is_as_pillow_has_it(self) -> None:
        for mode, kernel, short in ((STRETCH, "bilinear", None), (SHORTEST_CROP, "bicubic", 80), (SHORTEST_CROP, "bilinear", 64)):
            how = Preprocess(mode, 64, 64, short, kernel, True)
            reader = Reader(described(how, False))
            for height, width in SIZES:
                pixels = picture(height, width)
                ours = graph.Resample(how)(torch.from_numpy(pixels))[0].numpy()
                theirs = reader.prepare(Image.fromarray(pixels))[0] * 255
                self.assertLessEqual(float(np.abs(ours - theirs).max()), 1.01, (mode, kernel, height, width))
                self.assertLess(float(np.abs(ours - theirs).mean()), 0.1, (mode, kernel, height, width))  # Pillow goes down first where that is less work

    def test_images_for_the_calibration_are_small_and_the_same_to_the_model(self) -> None:
        """A graph that takes any size leaves one alone that has its size already."""
        for how in (Preprocess(LETTERBOX, 64, 96), Preprocess(STRETCH, 64, 96, antialias=True), Preprocess(SHORTEST_CROP, 64, 64, 80, "bicubic", True)):
            reader, image = Reader(described(how, True)), Image.fromarray(picture(700, 500))
            resize = graph.Letterbox(how) if how.mode == LETTERBOX else graph.Resample(how)
            small = reader.smaller(image)
            self.assertLess(small.size, 3 * 120 * 120)
            ours, theirs = (made[0] if isinstance(made, tuple) else made for made in (resize(torch.from_numpy(np.asarray(one))) for one in (small, image)))
            self.assertLess(float((ours - theirs).abs().mean()), 0.1, how.mode)
            self.assertLessEqual(float((ours - theirs).abs().max()), 1.01, how.mode)

    def test_a_letterbox_in_the_graph_is_the_one_of_the_metadata(self) -> None:
        how = Preprocess(LETTERBOX, 96, 128)
        for height, width in SIZES:
            pixels = picture(height, width)
            ours, scale, offset, size = graph.Letterbox(how)(torch.from_numpy(pixels))
            theirs = Reader(described(how, False)).prepare(Image.fromarray(pixels))[0] * 255
            self.assertLessEqual(float(np.abs(ours[0].numpy() - theirs).max()), 1.01, (height, width))
            self.assertEqual(size.tolist(), [width, height])
            self.assertTrue(bool((offset + size * scale <= torch.tensor([128.0, 96.0]) + 1e-3).all()))


def described(how: Preprocess, whole: bool) -> dict[str, Any]:
    """As much of metadata.json as a reader needs of a classifier."""
    return {
        "model": {"task": "classify"}, "classes": [], "outputs": [], "input": {"layout": "HWC" if whole else "NCHW", "dtype": "float32", "shape": [-1, -1, 3] if whole else [1, 3, how.height, how.width]},
        "preprocess": {"included": whole, "resize": how.describe(), "scale": [1 / 255] * 3, "mean": [0.0] * 3, "std": [1.0] * 3}, "postprocess": {},
    }


class Corners(nn.Module):
    """A detector of what is not grey: of a white image it finds the image itself, whatever its size; with its corners as keypoints, or all of it as a mask."""

    def __init__(self, extra: str = "") -> None:
        super().__init__()
        self.extra = extra

    def forward(self, images: torch.Tensor) -> Any:
        inside = (images[:, 0] > 0.5).float()
        rows, columns = inside.amax(2), inside.amax(1)
        top, left = rows.argmax(1).float(), columns.argmax(1).float()
        high, wide, sure = rows.sum(1), columns.sum(1), torch.ones_like(top)
        box = [left + wide / 2, top + high / 2, wide, high, sure, 0 * sure]
        points = [left, top, 0.9 * sure, left + wide, top + high, 0.8 * sure] if self.extra == "points" else [sure] if self.extra == "mask" else []
        raw = torch.stack([*box, *points], 1).unsqueeze(2)
        return (raw, 10 * nn.functional.avg_pool2d(inside.unsqueeze(1), 4) - 5) if self.extra == "mask" else raw


class Places(unittest.TestCase):
    def test_what_is_found_comes_back_in_pixels_of_the_image(self) -> None:
        """By the graph, and by who reads the metadata of one that leaves it to him."""
        kinds = {DETECT: ("", Objects(0.25, 0.5)), POSE: ("points", Objects(0.25, 0.5, keypoints=(2, 3))), SEGMENT: ("mask", Objects(0.25, 0.5, coefficients=1))}
        request = ExportRequest(Path(__file__), "onnx", Path("/nowhere"), None, 0, True, True, "none", "int8", False, 0.02)
        for head, (extra, how) in kinds.items():
            one = subject(head, Preprocess(LETTERBOX, 96, 96), how, Corners(extra))
            for whole, post in ((True, True), (False, True), (False, False), (True, False)):
                made = program(one, whole=whole, pixels=False, post=post, batch=False)
                reader = Reader(metadata.describe(Job.load((), {}), request, one, made, metadata.outputs(made, made.answer()), {}, "float32"))
                for height, width in ((96, 96), (97, 33), (31, 200), (480, 640)):
                    with self.subTest(head, whole=whole, post=post, size=(height, width)):
                        image = Image.new("RGB", (width, height), "white")
                        found = reader.decode([out.numpy() for out in made.graph(torch.from_numpy(reader.prepare(image)))], image.size)
                        np.testing.assert_allclose(found.boxes, [[0, 0, width, height]], atol=1e-3)
                        self.assertEqual((found.scores.tolist(), found.classes.tolist()), ([1.0], [0]))
                        if head == POSE:
                            np.testing.assert_allclose(found.keypoints, [[[0, 0, 0.9], [width, height, 0.8]]], atol=1e-3)
                        if head == SEGMENT:
                            low, high = found.polygons[0].min(0), found.polygons[0].max(0)
                            np.testing.assert_allclose([*low, *high], [0, 0, width, height], atol=3 * max(width, height) / 96)


class Masks(unittest.TestCase):
    def test_probabilities_are_enlarged_to_the_same_mask_as_logits(self) -> None:
        logits = np.random.default_rng(0).normal(0, 4, (5, 12, 12)).astype(np.float32)
        powers = np.exp(logits)
        head = {**described(Preprocess(STRETCH, 12, 12, antialias=True), True), "model": {"task": "semantic"}}
        masks = [Reader({**head, "outputs": [{"kind": kind}]}).decode([scores], (50, 40)).classes for kind, scores in (("logits", logits), ("probabilities", powers / powers.sum(0)))]
        self.assertEqual(masks[0].shape, (40, 50))
        self.assertGreater(float((masks[0] == masks[1]).mean()), 0.9995)

    def test_a_mask_of_what_is_no_number_is_none(self) -> None:
        """The largest of NaN is the first class, which most pixels may have."""
        head = {**described(Preprocess(STRETCH, 12, 12, antialias=True), True), "model": {"task": "semantic"}}
        for kind in ("logits", "probabilities"):
            whole, broken = (Reader({**head, "outputs": [{"kind": kind}]}).decode([np.full((2, 12, 12), value)], (50, 40)) for value in (0.5, math.nan))
            self.assertEqual((finite(whole), finite(broken)), (True, False))
            compared = [parity.compare([whole], [found], [Image.new("RGB", (50, 40))], 12, 0, 0) for found in (whole, broken)]
            self.assertEqual([(one.pixel_agreement, one.nonsense()) for one in compared], [(1.0, None), (1.0, "it answers with NaN")])
        how = Preprocess(STRETCH, 12, 12, antialias=True)
        model = predictor(Segmenter(nn.Identity(), ["a", "b", "c"], eval_transform(12, [0.0] * 3, [1.0] * 3, InterpolationMode.BILINEAR), how, "test", True), Job.load((), {}))
        images = torch.rand(2, 3, 12, 12)
        images[1, 0, 0, 0] = math.nan
        self.assertEqual([finite(one) for one in model.decode(images, [(50, 40)] * 2, False)], [True, False])


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

    def test_what_has_no_effect_is_said(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.ask(True, size=96, iou=0.5)
            self.assertEqual(said.getvalue(), "")
            self.ask(True, size=640, iou=0.45)
        self.assertIn("IMAGE_SIZE 640 has no effect: model.onnx takes 96 by 96 pixels", said.getvalue())
        self.assertIn("IOU_THRESHOLD 0.45 has no effect: model.onnx was exported with 0.5", said.getvalue())


class Comparing(unittest.TestCase):
    def test_an_object_that_is_gone_is_a_fault_but_at_the_edge(self) -> None:
        found = Found(np.array([[0.0, 0, 10, 10], [20, 20, 40, 40]]), np.array([0, 1]), np.array([0.9, 0.2505]))
        image = [Image.new("RGB", (100, 100))]
        self.assertIsNone(parity.compare([found], [found.take(np.array([0]))], image, 100, 0.25, 0.005).fault(parity.EXACT))
        self.assertIn("1 objects were found by one", str(parity.compare([found], [found.take(np.array([1]))], image, 100, 0.25, 0.005).fault(parity.EXACT)))

    def test_what_nobody_believes_is_not_compared(self) -> None:
        """With a threshold of 0 every anchor is an object."""
        found = Found(np.array([[0.0, 0, 10, 10], [20, 20, 40, 40]]), np.array([0, 1]), np.array([0.9, 0.004]))
        other = replace(found, boxes=found.boxes + np.array([[0.0], [5.0]]))
        compared = parity.compare([found], [other], [Image.new("RGB", (100, 100))], 100, 0.0, 0.005)
        self.assertEqual((compared.objects, compared.pixels), (1, 0.0))

    def test_other_masks_in_the_same_boxes_are_a_fault(self) -> None:
        def triangles(corner: tuple[int, int]) -> Found:
            outline = np.array([[10, 10], [50, 50], corner])
            return Found(np.array([[10.0, 10, 50, 50]]), np.array([0]), np.array([0.9]), [outline])

        none = Found(np.array([[10.0, 10, 50, 50]]), np.array([0]), np.array([0.9]), [np.zeros((0, 2))])
        for found, low, high in ((triangles((50, 10)), 1.0, 1.0), (triangles((10, 50)), 0.01, 0.2), (none, 0.0, 0.0)):
            compared = parity.compare([triangles((50, 10))], [found], [Image.new("RGB", (200, 100))], 100, 0.25, 0.005)
            self.assertTrue(low <= compared.describe()["mask_overlap"] <= high)
            self.assertEqual(compared.fault(parity.EXACT) is None, low == 1.0, compared.fault(parity.EXACT))

    def test_rotated_boxes_are_compared_with_their_angles(self) -> None:
        raw = np.array([[50.0, 90], [50, 90], [20, 20], [10, 10], [0.9, 0.1], [0.1, 0.2], [0.5, 0.5]])  # two boxes, the first is sure
        rows = np.array([[50.0, 50, 20, 10, 0.9, 0, 0.5], [90, 90, 20, 10, 0.2, 1, 0.5]])

        def compared(change: dict[tuple[int, int], float]) -> list[parity.Parity]:
            ones = [parity.Parity(), parity.Parity()]
            other, turned = raw.copy(), rows.copy()
            for (value, box), new in change.items():
                other[value, box] = new
                turned[box, value] = new
            parity.raw(ones[0], raw, other, 2, 0.25, 0.005)
            parity.rows(ones[1], rows, turned, 0.25, 0.005)
            return ones

        for one in compared({}):
            self.assertEqual((one.objects, one.fault(parity.EXACT)), (1, None))
        for one in compared({(6, 0): 0.7}):
            self.assertIn("they differ by 0.2 of a score or an angle", str(one.fault(parity.EXACT)))
        for one in compared({(0, 0): 51.0}):
            self.assertIn("they differ by 1 pixels", str(one.fault(parity.EXACT)))
        for one in compared({(4, 0): 0.1}):
            self.assertEqual((one.objects, one.unmatched), (0, 1))

    def test_what_is_no_number_is_no_parity_and_no_success(self) -> None:
        broken = parity.compare([np.array([0.5, 0.5])], [np.array([0.5, math.nan])], [Image.new("RGB", (9, 9))], 9, 0, 0)
        self.assertIn("of a probability", str(broken.fault(parity.EXACT)))
        self.assertFalse(Validation("accuracy", 9, 0.5, math.nan).passes(0.02))
        with self.assertRaisesRegex(JobError, "exported model's accuracy"):
            compare("accuracy", (0.5, 9), (math.nan, 9))
        with self.assertRaisesRegex(JobError, "VALIDATION_DATASET_ID: the original model's mAP50-95 on the val split is 0, so that no export could lose anything"):
            compare("mAP50-95", (0.0, 9), (0.0, 9))

    def test_an_object_whose_score_is_no_number_is_a_fault(self) -> None:
        none = Found(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
        found = Found(np.array([[0.0, 0, 10, 10]]), np.array([0]), np.array([math.nan]))
        self.assertEqual(parity.compare([none], [found], [Image.new("RGB", (9, 9))], 9, 0.25, 0.005).nonsense(), "it answers with NaN")
        about = described(Preprocess(LETTERBOX, 96, 96), True)
        for included, outputs in ((True, {"boxes": np.zeros((1, 4)), "scores": np.array([math.nan]), "classes": np.zeros(1)}), (False, {"raw": np.full((6, 1), math.nan)})):
            head = {
                **about, "model": {"task": DETECT}, "classes": [{"name": "a"}, {"name": "b"}], "outputs": [{"kind": kind} for kind in outputs],
                "postprocess": {"included": included, "conf_threshold": 0.25, "iou_threshold": 0.5, "max_detections": 9, "box_space": "image", "box_format": "xyxy" if included else "cxcywh", "keypoint_shape": None},
            }
            answer = Reader(head).decode(list(outputs.values()), (96, 96))
            self.assertEqual(parity.compare([none], [answer], [Image.new("RGB", (96, 96))], 96, 0.25, 0.005).nonsense(), "it answers with NaN", included)

    def test_a_classifier_that_answers_with_no_number_has_no_accuracy(self) -> None:
        """The largest of NaN is the first class, which some images have."""
        whole = Predictor(["a circle", "a square", "a triangle"], np.asarray, np.stack, lambda raw, _sizes, _measured: [np.array([1.0, 0, 0])] * len(raw), task="image_classification")
        with tempfile.TemporaryDirectory() as folder:
            job = Job.load((), {"DATASET_DIR": str(fixtures.write_imagefolder(Path(folder) / "data"))})
            self.assertEqual(measured(job, whole, whole, lambda *_: None), (1 / 3, 9))
            for value in (math.nan, math.inf):
                broken = replace(whole, decode=lambda raw, _sizes, _measured, value=value: [np.array([value, 0, 0])] * len(raw))
                for model, original, whose in ((broken, whole, "exported"), (broken, broken, "original")):
                    with self.assertRaisesRegex(JobError, f"the {whose} model's answer to 000.png is NaN or infinite"):
                        measured(job, model, original, lambda *_: None)

    def test_a_mask_of_no_number_is_no_empty_mask(self) -> None:
        about = described(Preprocess(LETTERBOX, 96, 96), True)
        head = {
            **about, "model": {"task": SEGMENT}, "classes": [{"name": "a"}, {"name": "b"}], "outputs": [{"kind": kind} for kind in ("boxes", "scores", "classes", "mask_coefficients", "mask_prototypes")],
            "postprocess": {"included": True, "box_space": "image", "mask_threshold": 0.5},
        }
        for coefficient, prototype, fine in ((1, 1, [True, True]), (math.nan, 1, [False, True]), (1, math.inf, [False, False])):
            coefficients, prototypes = np.ones((2, 4)), np.ones((4, 24, 24))
            coefficients[0, 0], prototypes[0, 0, 0] = coefficient, prototype
            found = Reader(head).decode([np.array([[0.0, 0, 50, 50]] * 2), np.array([0.9, 0.8]), np.zeros(2), coefficients, prototypes], (96, 96))
            self.assertEqual(np.isfinite(found.scores).tolist(), fine)
            self.assertEqual(finite(found), all(fine))

    def test_a_better_export_passes(self) -> None:
        self.assertEqual(Validation("accuracy", 9, 0.5, 0.75).describe(0.02), {"accuracy": 0.75, "original_accuracy": 0.5, "accuracy_drop": -0.25, "passed": True})


class Golden(unittest.TestCase):
    """What a package's selftest compares with: the trainer's answer, and how near to it this file came when it was made."""

    def differences(self, answer: Any, exported: Any, found: dict[str, Any]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            golden.write(Path(folder), Image.new("RGB", (100, 80)), answer, exported)
            return list(model_wrapper.compare(json.loads((Path(folder) / "answer.json").read_text()), found))

    def test_a_quantized_file_passes_as_near_as_it_came_and_not_farther(self) -> None:
        exact, quantized = np.array([0.9, 0.1]), np.array([0.8, 0.2])
        self.assertEqual(self.differences(exact, quantized, {"probabilities": [0.795, 0.205]}), [])
        self.assertTrue(self.differences(exact, quantized, {"probabilities": [0.7, 0.3]}))
        self.assertTrue(self.differences(exact, exact, {"probabilities": [0.8, 0.2]}))

    def test_masks_and_boxes_too(self) -> None:
        def square(left: float, score: float) -> Found:
            corners = np.array([[left, 10], [left + 40, 10], [left + 40, 50], [left, 50]])
            return Found(np.array([[left, 10, left + 40, 50]]), np.array([0]), np.array([score]), [corners])

        for left, same in ((14.0, True), (20.0, False)):
            found = {"objects": [golden.described(square(left, 0.85), 0, (100, 80))]}
            self.assertEqual(self.differences(square(10, 0.9), square(14, 0.85), found) == [], same, left)

    def test_the_image_is_one_on_which_both_find_the_same(self) -> None:
        two = Found(np.array([[0.0, 0, 10, 10], [20, 20, 40, 40]]), np.array([0, 1]), np.array([0.9, 0.9]))
        one, none = two.take(np.array([0])), two.take(np.array([], int))
        pictures = [Image.new("RGB", (100, 80))] * 3
        self.assertEqual(golden.shown(pictures, [two, none, one], [one, none, one]), 2)
        self.assertEqual(golden.shown(pictures, [two, none, one], [one, none, none]), 1)


    def test_of_those_the_nearest_to_the_original(self) -> None:
        answers = [np.array([0.9, 0.1])] * 5
        near = [np.array([0.9 - by, 0.1 + by]) for by in (0.2, 0.05, 0.1, 0.0, 0.0)]
        pictures = [Image.new("RGB", (100, 80))] * 5  # the last two are the drawn ones, by which a person sees nothing
        self.assertEqual(golden.shown(pictures, answers, near), 1)
        self.assertEqual(golden.shown([Image.new("RGB", (2000, 80))] * 5, answers, near), None)
        one = Found(np.array([[0.0, 0, 10, 10]]), np.array([0]), np.array([0.9]))
        two = Found(np.array([[0.0, 0, 10, 10], [20, 20, 40, 40]]), np.array([0, 1]), np.array([0.9, 0.9]))
        near_two = replace(two, scores=np.array([0.9, 0.899]))
        self.assertEqual(golden.shown(pictures, [one, two, one, one, one], [one, near_two, one, one, one]), 1)
        self.assertLess(golden.distance(pictures[0], answers[0], near[0]), 1)
        self.assertGreater(golden.distance(pictures[0], answers[0], np.array([0.6, 0.4])), 1)

    def test_a_mask_in_two_pieces_is_both_of_them(self) -> None:
        """Its outline is one line through both, or the larger piece alone."""
        pieces = np.zeros((1, 40, 50), bool)
        pieces[0, 5:15, 5:15] = pieces[0, 5:15, 25:45] = True
        box = np.array([[10.0, 10, 90, 30]])
        original = Found(box, np.array([0]), np.array([0.9]), [np.array([[10, 10], [30, 30], [90, 10]])])
        every = Found(box, np.array([0]), np.array([0.9]), [original.polygons[0]], pixels=coco.runs(pieces))
        whole = Predictor(["a"], np.asarray, lambda batch: batch, lambda _raw, _sizes, measured: [every if measured else original])
        (answer,) = parity.answers(whole, [Image.new("RGB", (100, 80))])
        mask = model_wrapper.from_runs(golden.described(answer, 0, (100, 80))["mask"]["counts"], 100, 80)
        self.assertEqual((mask[20, 20], mask[20, 40], mask[20, 70]), (True, False, True))
        self.assertEqual(parity.compare([answer], [every], [Image.new("RGB", (100, 80))], 50, 0.25, 0.005).mask_overlap, 1.0)


class Precision(unittest.TestCase):
    def test_more_and_more_stays_float_and_never_everything(self) -> None:
        layers = [f"model.{i}" for i in range(16)]
        kept = list(raised(layers, ["model.head"]))
        self.assertEqual(kept[:2], [["model.head"], ["model.head", "model.0", "model.14", "model.15"]])
        self.assertEqual([len(parts) for parts in kept], [1, 4, 6, 10])
        self.assertEqual(list(raised([], ["model.head"])), [])
        self.assertEqual(list(raised(["model.first", "model.1", "model.2", "model.10.a"], ["model.10"])), [["model.10"], ["model.10", "model.first"], ["model.10", "model.first", "model.2"]])
        self.assertEqual(list(raised(["model.first", "model.last"], ["model.last"])), [["model.last"]])


class Network(nn.Module):
    """A classifier with a layer of each kind that holds weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.flat, self.last = nn.Conv2d(3, 16, 3, 2), nn.Linear(16, 64), nn.Linear(64, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.flat(self.first(images).relu().mean((2, 3))).relu())


class Quantized(TrainerTest):
    """What is said to be in eight bits is, and what is said to have stayed float has."""

    def setUp(self) -> None:
        self.needs("onnx", "onnxruntime", "onnxscript")

    def written(self, name: str, keep: Sequence[str], folder: Path) -> Path:
        torch.manual_seed(0)
        made = program(subject(CLASSIFY, Preprocess(STRETCH, 32, 32, antialias=True), model=Network().eval()), whole=True, pixels=False, post=True, batch=False)
        target = folder / "model"
        converter(name, made, folder, 0, lambda text: None).write(target, "{}", FileIn("dynamic", "int8", keep=keep))
        return target

    def test_onnx(self) -> None:
        import onnx

        for keep, large in (((), []), (("model.flat",), [(64, 16)])):
            with self.subTest(keep=keep), tempfile.TemporaryDirectory() as folder:
                model = onnx.load(self.written("onnx", keep, Path(folder)))
                floats = [tuple(sorted(tensor.dims, reverse=True)) for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1 and math.prod(tensor.dims) >= 128]
                self.assertEqual(floats, large)

    def test_what_tensorrt_reads_is_signed_and_around_zero(self) -> None:
        """TensorRT refuses uint8, other zero points and biases in int32. Here ONNX Runtime reads the file."""
        import onnx
        from trainer_vision.deploy.formats.onnx import Onnx

        torch.manual_seed(0)
        one = subject(CLASSIFY, Preprocess(STRETCH, 32, 32, antialias=True), model=Network().eval())
        made = program(one, whole=False, pixels=True, post=True, batch=False, dtype="float32")
        inputs = [np.random.default_rng(i).integers(0, 256, (1, 32, 32, 3)).astype(np.float32) for i in range(4)]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            writer = Onnx(made, Path(folder), signed=True)
            writer.write(file, "{}", FileIn("static", "int8", calibration=inputs))
            model = onnx.load(file)
            answer = writer.load(file)(inputs[0])[0]
        points = {name for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear") for name in node.input[2:]}
        zeros = [tensor for tensor in model.graph.initializer if tensor.name in points]
        self.assertTrue(zeros)
        self.assertEqual({(tensor.data_type, int(np.abs(onnx.numpy_helper.to_array(tensor)).max())) for tensor in zeros}, {(onnx.TensorProto.INT8, 0)})
        np.testing.assert_allclose(answer, made.graph(torch.from_numpy(inputs[0]))[0].detach().numpy(), atol=0.05)

    @contextlib.contextmanager
    def toolbox(self, name: str) -> Iterator[None]:
        """The one that the agent's tests make."""
        with mock.patch.dict(os.environ, {"EXPORT_TOOLBOX_DIR": str(TOOLBOXES)}):
            if not (toolbox.place(name) / "complete").is_file() and not os.environ.get("CI"):
                self.skipTest(f"there is no toolbox for {name} below {TOOLBOXES}: the exports of go test ./cmd/trainer-agent make it")
            yield

    def test_what_classifiers_compute_is_known_to_the_interpreter_of_core_ml(self) -> None:
        """Poolings of ResNet-D, activations of MobileNet and their like."""
        with self.toolbox("coreml"), tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            model = nn.Sequential(
                nn.Conv2d(3, 8, 3, 2), nn.Hardswish(), nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False), nn.LeakyReLU(0.1), nn.ZeroPad2d((1, 2, 0, 1)), nn.AvgPool2d(3, 2, 1),
                nn.ReLU6(), nn.Hardsigmoid(), nn.GELU(), nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                nn.LayerNorm(8, elementwise_affine=False), nn.Linear(8, 2),
            ).eval()
            made = program(subject(CLASSIFY, Preprocess(STRETCH, 31, 31, antialias=True), model=model), whole=True, pixels=False, post=True, batch=False, dtype="float32")
            kind = converter("coreml", made, Path(folder), 0, lambda text: None)
            kind.write(Path(folder) / "model.mlpackage", "{}", FileIn())
            pixels = picture(50, 40).astype(np.float32)
            np.testing.assert_allclose(kind.load(Path(folder) / "model.mlpackage")(pixels)[0], made.graph(torch.from_numpy(pixels))[0].detach().numpy(), atol=1e-5)

    def test_core_mls_integers_are_weights_alone(self) -> None:
        """A detector's table of cells is as large as its weights from 320 pixels on: in 255 steps its boxes would be off by pixels."""
        class Cells(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weigh, self.cells = nn.Conv2d(3, 32, 8, 8), nn.Buffer(torch.arange(1600.0)[None] + 0.4)

            def forward(self, images: torch.Tensor) -> torch.Tensor:
                return (self.cells + self.weigh(images).mean((1, 2, 3))[:, None])[:, :1600:200]

        with self.toolbox("coreml"), tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            made = program(subject(CLASSIFY, Preprocess(STRETCH, 32, 32, antialias=True), model=Cells().eval()), whole=True, pixels=False, post=False, batch=False, dtype="float32")
            kind, pixels = converter("coreml", made, Path(folder), 0, lambda text: None), picture(50, 40).astype(np.float32)
            sizes = []
            for precision in (FileIn(), FileIn("dynamic", "int8")):
                kind.write(Path(folder) / "model.mlpackage", "{}", precision)
                np.testing.assert_allclose(kind.load(Path(folder) / "model.mlpackage")(pixels)[0], made.graph(torch.from_numpy(pixels))[0].detach().numpy(), atol=0.05)
                sizes.append(sum(file.stat().st_size for file in (Path(folder) / "model.mlpackage").rglob("weight.bin")))
            self.assertLess(sizes[1], sizes[0] - 32 * 3 * 64 * 2)  # the weights did become smaller

    def test_openvino(self) -> None:
        with self.toolbox("openvino"):
            for keep, count in (((), 2), (("model.flat",), 1)):  # NNCF leaves so small a convolution alone
                with self.subTest(keep=keep), tempfile.TemporaryDirectory() as folder:
                    text = (self.written("openvino", keep, Path(folder)) / "model.xml").read_text()
                    shapes = re.findall(r'type="Const"[^>]*>\s*<data element_type="[iu]8" shape="([0-9, ]+)"', text)
                    self.assertEqual(sum(math.prod(map(int, shape.split(","))) >= 128 for shape in shapes), count, shapes)


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
