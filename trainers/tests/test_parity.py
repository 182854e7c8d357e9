"""What an export is compared with, its original and the golden image, and what counts as the same."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from typing import Any

import fixtures
import numpy as np
from deploy_parts import described
from PIL import Image
from trainer_sdk import Job, JobError
from trainer_vision.deploy import golden, graph, parity
from trainer_vision.deploy.evaluate import Validation, compare, measured
from trainer_vision.deploy.reader import Reader
from trainer_vision.deploy.subject import DETECT, LETTERBOX, SEGMENT, Preprocess
from trainer_vision.inference import Mask, Predictor, coco
from trainer_vision.inference import Objects as Found
from trainer_vision.inference.predictor import finite

sys.path.insert(0, str(Path(graph.__file__).parent / "runtimes" / "python"))
import model_wrapper


class Comparing(unittest.TestCase):
    def test_an_object_that_is_gone_is_a_fault_but_at_the_edge(self) -> None:
        found = Found(np.array([[0.0, 0, 10, 10], [20, 20, 40, 40]]), np.array([0, 1]), np.array([0.9, 0.2505]))
        image = [Image.new("RGB", (100, 100))]
        self.assertIsNone(parity.compare([found], [found.take(np.array([0]))], image, 100, 0.25, 0.005).fault(parity.EXACT))
        self.assertIn("1 objects were found by one", str(parity.compare([found], [found.take(np.array([1]))], image, 100, 0.25, 0.005).fault(parity.EXACT)))

    def test_half_precision_may_keep_another_box_of_one_object_in_ten(self) -> None:
        """Suppression chooses by the last bits among boxes with nearly the same score."""
        corners = np.arange(0, 200, 20.0)[:, None]
        found = Found(corners + np.array([[0.0, 0, 15, 15]]), np.arange(10), np.full(10, 0.9))

        def fault(allowed: parity.Tolerance, moved: list[int]) -> str | None:
            boxes = found.boxes.copy()
            boxes[moved] += 2
            return parity.compare([found], [replace(found, boxes=boxes)], [Image.new("RGB", (220, 220))], 220, 0.25, 0.01).fault(allowed)

        self.assertIsNone(fault(parity.HALF, [3]))
        for allowed, moved in ((parity.HALF, [3, 4]), (parity.EXACT, [3])):
            self.assertIn("they differ by 2 pixels", str(fault(allowed, moved)))
        other = replace(found, scores=np.where(np.arange(10) == 3, 0.7, found.scores))
        self.assertIn("of a score", str(parity.compare([found], [other], [Image.new("RGB", (220, 220))], 220, 0.25, 0.01).fault(parity.HALF)))
        few = found.take(np.arange(9))  # less than ten: none may
        self.assertIn("they differ by 2 pixels", str(parity.compare([few], [replace(few, boxes=few.boxes + 2)], [Image.new("RGB", (220, 220))], 220, 0.25, 0.01).fault(parity.HALF)))

    def test_maps_of_one_class_prove_nothing(self) -> None:
        """An untrained segmenter answers so, and any file agrees with it that does the same."""
        one, two = Mask(np.zeros((4, 4), np.int32)), Mask(np.eye(4, dtype=np.int32))
        image = [Image.new("RGB", (4, 4))]
        for maps, said in (([one], "proves nothing about the other classes"), ([one, two], None)):
            compared = parity.compare(maps, maps, image * len(maps), 4, 0.0, 0.0)
            told = compared.describe(True)
            self.assertEqual((compared.fault(parity.EXACT), told["pixel_agreement"], json.dumps(told)[:1]), (None, 1.0, "{"))
            self.assertIn(said or "None", str(told["note"]))

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
            self.assertTrue(low <= compared.describe(True)["mask_overlap"] <= high)
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


if __name__ == "__main__":
    unittest.main()
