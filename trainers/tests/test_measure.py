"""What an answer is worth: matching, calibration, and the one evaluator of test runs."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import tempfile
import tracemalloc
import unittest
from pathlib import Path
from typing import Any

import numpy as np
from inference_jobs import NAMES, objects
from trainer_sdk import JobError
from trainer_vision.inference import Mask, Objects
from trainer_vision.inference.calibration import best_threshold, calibration
from trainer_vision.inference.coco import annotations, runs
from trainer_vision.inference.matching import confusion, errors, match, overlaps
from trainer_vision.inference.measure import measure_of
from trainer_vision.inference.report import write_report


class Matching(unittest.TestCase):
    def test_every_kind_of_error_has_its_name(self) -> None:
        truth = objects((0, 0, 10, 10, 0, 1), (50, 50, 60, 60, 1, 1), (80, 80, 90, 90, 1, 1))
        for kind, box in {
            None: (0, 0, 10, 10, 0, 0.9), "classification": (0, 0, 10, 10, 1, 0.9), "localisation": (6, 0, 16, 10, 0, 0.9),
            "both": (6, 0, 16, 10, 1, 0.9), "background": (30, 0, 40, 10, 0, 0.9),
        }.items():
            with self.subTest(kind):
                found = objects(box)
                overlap = overlaps(found.boxes, truth.boxes)
                kinds, missed = errors(found, truth, overlap, match(found, truth, overlap))
                self.assertEqual(kinds, [kind])
                self.assertEqual(missed, [1, 2] if kind in {None, "classification", "localisation"} else [0, 1, 2])
        twice = objects((0, 0, 10, 10, 0, 0.9), (0, 0, 10, 9, 0, 0.8))
        overlap = overlaps(twice.boxes, truth.boxes)
        self.assertEqual(errors(twice, truth, overlap, match(twice, truth, overlap))[0], [None, "duplicate"])

    def test_what_is_found_in_a_crowd_is_no_mistake(self) -> None:
        crowd = objects((20, 20, 80, 80, 0, 1))
        truth = dataclasses.replace(objects((0, 0, 10, 10, 0, 1)), crowds=crowd)
        found = objects((0, 0, 10, 10, 0, 0.9), (30, 30, 40, 40, 0, 0.8), (30, 30, 40, 40, 1, 0.7), (70, 70, 95, 95, 0, 0.6))
        measure: Any = measure_of("object_detection", NAMES, 0.5)
        _, record = measure.add("a.jpg", found, found, truth, (100, 100))
        self.assertEqual(record, {"errors": [None, None, "background", "background"], "missed": []})
        result = measure.result()
        self.assertEqual(result.confusion_matrix, [[1, 0, 0], [0, 0, 0], [1, 1, 0]])
        self.assertEqual([row["support"] for row in result.per_class_metrics], [1, 0])
        self.assertEqual(result.overall_metrics["mAP50"], 1.0)  # of the class that is labelled: the box in the crowd counts nowhere

    def test_the_confusion_matrix_has_a_background(self) -> None:
        truth = objects((0, 0, 10, 10, 0, 1), (50, 50, 60, 60, 1, 1))
        found = objects((0, 0, 10, 10, 1, 0.9), (30, 0, 40, 10, 0, 0.9))
        matrix = confusion(found, truth, overlaps(found.boxes, truth.boxes), 2)
        self.assertEqual(matrix.tolist(), [[0, 1, 0], [0, 0, 1], [1, 0, 0]])


class Calibration(unittest.TestCase):
    def test_a_confidence_that_is_a_probability_has_no_error(self) -> None:
        scores = np.repeat([0.2, 0.8], 10)
        right = np.array([1, 1] + [0] * 8 + [1] * 8 + [0, 0])
        self.assertAlmostEqual(calibration(scores, right)["ece"], 0)
        self.assertAlmostEqual(calibration(scores, np.ones(20))["ece"], 0.5)

    def test_the_best_threshold_is_that_of_the_best_f1(self) -> None:
        found = best_threshold(np.array([0.9, 0.8, 0.3, 0.3]), np.array([1, 1, 0, 1]), 3)
        self.assertEqual(found, {"threshold": 0.3, "f1": 0.85714, "precision": 0.75, "recall": 1.0})
        self.assertIsNone(best_threshold(np.zeros(0), np.zeros(0), 3))


class Measure(unittest.TestCase):
    def test_boxes_are_measured_as_coco_does(self) -> None:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        rng = np.random.default_rng(3)
        measure: Any = measure_of("object_detection", NAMES, 0.5)
        images, labels, detections = [], [], []
        for i in range(1, 601):  # three times what is compared at once
            corner = rng.uniform(0, 60, (3, 2))
            boxes = np.hstack([corner, corner + rng.uniform(10, 40, (3, 2))])
            low = rng.uniform(0, 60, (1, 2))
            crowds = Objects(np.hstack([low, low + 40]), rng.integers(0, 2, 1), np.ones(1)) if i % 3 else None
            truth = Objects(boxes, np.array([0, 1, 1]), np.ones(3), crowds=crowds)
            found = Objects(boxes + rng.normal(0, 3, boxes.shape), rng.integers(0, 2, 3), rng.uniform(0.1, 1, 3))
            measure.add(f"{i}.jpg", found.take(np.flatnonzero(found.scores >= 0.5)), found, truth, (100, 100))
            images.append({"id": i, "width": 100, "height": 100})
            labels += annotations(truth, i, False, len(labels) + 1)
            labels += annotations(crowds, i, False, len(labels) + 1, crowd=1) if crowds else []
            detections += annotations(found, i, True)
        result = measure.result()
        with contextlib.redirect_stdout(io.StringIO()):
            labelled = COCO()
            labelled.dataset = {"images": images, "annotations": labels, "categories": [{"id": 1}, {"id": 2}]}
            labelled.createIndex()
            judge = COCOeval(labelled, labelled.loadRes([{k: v for k, v in f.items() if k != "id"} for f in detections]), "bbox")
            judge.evaluate(), judge.accumulate(), judge.summarize()
        self.assertAlmostEqual(result.overall_metrics["mAP50-95"], judge.stats[0], places=9)
        self.assertAlmostEqual(result.overall_metrics["mAP50"], judge.stats[1], places=9)
        self.assertEqual([row["support"] for row in result.per_class_metrics], [600, 1200])
        self.assertEqual(len(result.confusion_matrix), 3)

    def test_what_was_compared_is_not_kept(self) -> None:
        """A hundred detections as dictionaries are 80 kB an image."""
        rng = np.random.default_rng(3)
        corner = rng.uniform(0, 60, (100, 2))
        found = Objects(np.hstack([corner, corner + 20]), rng.integers(0, 2, 100), rng.uniform(0, 0.1, 100))
        measure: Any = measure_of("object_detection", NAMES, 0.5)
        kept = []
        tracemalloc.start()
        for _ in range(2):
            for i in range(256):
                measure.add(f"{i}.jpg", found.take(np.zeros(0, dtype=int)), found, found.take(np.arange(3)), (100, 100))
            kept.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        self.assertLess((kept[1] - kept[0]) / 256, 8000)

    def test_keypoints_of_a_class_are_its_own_where_another_is_not_labelled(self) -> None:
        measure: Any = measure_of("pose_estimation", ["never", "always"], 0.5)
        points = np.array([[[2.0, 2, 2], [30, 30, 2]]])
        truth = dataclasses.replace(objects((0, 0, 40, 40, 1, 1)), keypoints=points)
        measure.add("0.png", truth, truth, truth, (50, 50))
        rows = measure.result().per_class_metrics
        self.assertTrue(np.isnan(rows[0]["ap"]))
        self.assertEqual(rows[1]["ap"], 1)

    def test_rotated_boxes_are_measured_by_their_own_overlap(self) -> None:
        """Two bars that cross: the upright boxes around them are one and the same."""
        rising = np.array([[10.0, 20], [20, 10], [90, 80], [80, 90]])
        falling = rising * [-1, 1] + [100, 0]

        def equal(found: Any, labelled: Any) -> np.ndarray:
            return np.array([[float(np.allclose(f, t)) for t in labelled] for f in found])

        for overlap, outline, ap, missed in ((None, falling, 1, 0), (equal, falling, 0, 1), (equal, rising, 1, 0)):
            measure: Any = measure_of("object_detection", NAMES, 0.5, overlap=overlap)
            truth = dataclasses.replace(objects((10, 10, 90, 90, 0, 1)), polygons=[rising])
            sure, unsure = (dataclasses.replace(objects((10, 10, 90, 90, 0, score)), polygons=[outline]) for score in (0.9, 0.2))
            measure.add("0.png", sure, sure, truth, (100, 100))
            measure.add("1.png", unsure.take(np.zeros(0, dtype=int)), unsure, objects(), (100, 100))
            result = measure.result()
            self.assertEqual((result.overall_metrics["mAP50-95"], result.confusion_matrix[0][2], result.per_class_metrics[0]["recall"]), (ap, missed, 1 - missed))
        upright = objects((10, 10, 90, 90, 0, 1))
        measure = measure_of("object_detection", NAMES, 0.5, overlap=equal)  # a label without corners is its box
        measure.add("0.png", upright, upright, upright, (100, 100))
        self.assertEqual(measure.result().overall_metrics["mAP50"], 1)

    def test_masks_are_measured_by_their_pixels_at_the_models_size(self) -> None:
        from pycocotools import mask as judge

        ring = np.array([[10.0, 8], [60, 8], [60, 40], [30, 56], [10, 40]])
        truth = Objects(np.array([[10.0, 8, 60, 56]]), np.array([0]), np.ones(1), [ring])
        for scale in (1, 0.5):
            pixels = judge.decode(judge.merge(judge.frPyObjects([(ring * scale).ravel().tolist()], int(64 * scale), int(80 * scale))))
            measure: Any = measure_of("instance_segmentation", NAMES, 0.5)
            found = Objects(truth.boxes, truth.classes, np.array([0.9]), [ring], pixels=runs(pixels[None]))
            measure.add("0.png", found, found, truth, (80, 64))
            self.assertAlmostEqual(measure.result().overall_metrics["mAP50-95(M)"], 1)
            wrong = dataclasses.replace(found, pixels=runs(np.roll(pixels, int(20 * scale), 1)[None]))
            measure = measure_of("instance_segmentation", NAMES, 0.5)
            measure.add("0.png", wrong, wrong, truth, (80, 64))
            self.assertEqual(measure.result().overall_metrics["mAP50-95(M)"], 0)

    def test_curves_of_many_classes_leave_room_in_the_callback(self) -> None:
        measure: Any = measure_of("object_detection", [str(i) for i in range(150)], 0.5)
        for i in range(150):
            box = objects((0, 0, 10, 10, i, 0.9))
            measure.add("0.png", box, box, box, (20, 20))
        self.assertEqual(list(measure.result().pr_curves), [str(i) for i in range(100)])

    def test_nothing_labelled_is_nothing_measured(self) -> None:
        measure: Any = measure_of("object_detection", NAMES, 0.5)
        measure.add("0.png", objects((0, 0, 10, 10, 0, 0.9)), objects((0, 0, 10, 10, 0, 0.9)), objects(), (20, 20))
        with self.assertRaisesRegex(JobError, "none of the 1 images of the split has a labelled object"):
            measure.result()

    def test_masks_of_background_alone_are_nothing_measured(self) -> None:
        """A model that paints nothing has every pixel right."""
        for background in (2, -100):  # of its own, and left out
            measure: Any = measure_of("semantic_segmentation", [*NAMES, "background"], 0.5, 2)
            nothing = Mask(np.full((2, 2), 2))
            measure.add("0.png", nothing, nothing, Mask(np.full((2, 2), background)), (2, 2))
            with self.assertRaisesRegex(JobError, "none of the 1 images of the split has a labelled object"):
                measure.result()
        measure.add("1.png", nothing, nothing, Mask(np.array([[2, 2], [2, 0]])), (2, 2))
        self.assertEqual(measure.result().overall_metrics["pixel_accuracy"], 0.75)

    def test_a_report_of_many_classes_has_no_matrix(self) -> None:
        names = [str(i) for i in range(1002)]
        measure: Any = measure_of("image_classification", names, 0.5)
        measure.add("0.png", np.eye(1002)[0], None, 0, (2, 2))
        with tempfile.TemporaryDirectory() as folder:
            write_report(Path(folder, "report.html"), "many", {}, measure.result(), names, [])
            self.assertIn("1002 classes are too many for a matrix", Path(folder, "report.html").read_text())

    def test_masks_of_one_name_all_count(self) -> None:
        measure: Any = measure_of("semantic_segmentation", NAMES, 0.5, 2)
        for found in (0, 1):
            measure.add("0.png", Mask(np.full((2, 2), found)), Mask(np.full((2, 2), found)), Mask(np.zeros((2, 2), dtype=int)), (2, 2))
        self.assertEqual(measure.result().overall_metrics["pixel_accuracy"], 0.5)


if __name__ == "__main__":
    unittest.main()
