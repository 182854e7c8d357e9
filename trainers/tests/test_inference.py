"""Test runs and inference jobs of any trainer: the evaluator, the records, the files, with a model that a test can see through."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import re
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import unquote

import numpy as np
from PIL import Image
from process import TrainerTest
from relay import Call, Relay
from trainer_sdk import Job, JobError, Platform
from trainer_sdk.inference import InferenceRequest
from trainer_vision.inference import Mask, Objects, Predictor
from trainer_vision.inference.calibration import best_threshold, calibration
from trainer_vision.inference.coco import runs
from trainer_vision.inference.draw import font
from trainer_vision.inference.explain.explainer import Explainer
from trainer_vision.inference.explain.heat import deletion, normal, statistics
from trainer_vision.inference.explain.perturb import perturb
from trainer_vision.inference.matching import confusion, errors, match, overlaps
from trainer_vision.inference.measure import measure_of
from trainer_vision.inference.report import write_report
from trainer_vision.inference.running import Run
from trainer_vision.inference.samples import labelled

NAMES = ["고양이", "dog"]


def objects(*rows: tuple[float, ...]) -> Objects:
    """Rows of x1, y1, x2, y2, class, score."""
    values = np.array(rows, dtype=float).reshape(-1, 6)
    return Objects(values[:, :4], values[:, 4].astype(int), values[:, 5])


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
        for i in range(12):
            corner = rng.uniform(0, 60, (3, 2))
            boxes = np.hstack([corner, corner + rng.uniform(10, 40, (3, 2))])
            truth = Objects(boxes, np.array([0, 1, 1]), np.ones(3))
            found = Objects(boxes + rng.normal(0, 3, boxes.shape), rng.integers(0, 2, 3), rng.uniform(0.1, 1, 3))
            measure.add(f"{i}.jpg", found.take(np.flatnonzero(found.scores >= 0.5)), found, truth, (100, 100))
        result = measure.result()
        with contextlib.redirect_stdout(io.StringIO()):
            labelled = COCO()
            labelled.dataset = {"images": measure.images, "annotations": [{**a, "iscrowd": 0} for a in measure.labelled], "categories": [{"id": 1}, {"id": 2}]}
            labelled.createIndex()
            judge = COCOeval(labelled, labelled.loadRes([{k: v for k, v in f.items() if k != "id"} for f in measure.found]), "bbox")
            judge.evaluate(), judge.accumulate(), judge.summarize()
        self.assertAlmostEqual(result.overall_metrics["mAP50-95"], judge.stats[0], places=6)
        self.assertAlmostEqual(result.overall_metrics["mAP50"], judge.stats[1], places=6)
        self.assertEqual([row["support"] for row in result.per_class_metrics], [12, 24])
        self.assertEqual(len(result.confusion_matrix), 3)


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


class Samples(unittest.TestCase):
    """The platform's ids of images, whichever way the prepared dataset names them."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        images = [{"id": 7, "file_name": "images/a/0.png"}, {"id": "x", "file_name": "b/0.png"}, {"id": 9, "file_name": "c/odd name.png"}]
        (self.root / "annotations.json").write_text(json.dumps({"images": images}))

    def found(self, files: list[str], renamed: dict[str, str], split: str) -> list[tuple[str, Any, int | None]]:
        for name in files:
            (self.root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / "data" / name).touch()
        (self.root / "data/renamed.json").write_text(json.dumps(renamed))
        classes = [{"index": i, "name": name, "folder": f"{i}-{name}", "id": i} for i, name in enumerate(("cat", "dog"))]
        (self.root / "data/classes.json").write_text(json.dumps({"classes": classes}))
        job = Job.load((), {"DATASET_DIR": str(self.root / "data"), "ANNOTATIONS_PATH": str(self.root / "annotations.json")})
        return [(s.name, s.id, s.label) for s in labelled(job, split)]

    def test_of_mirrored_folders(self) -> None:
        files = ["images/val/a/0.png", "images/val/b/0.png", "images/train/c/odd_name.png"]
        self.assertEqual(self.found(files, {"c/odd_name.png": "c/odd name.png"}, "all"), [("c/odd name.png", 9, None), ("a/0.png", 7, None), ("b/0.png", "x", None)])

    def test_an_image_of_any_format_is_one(self) -> None:
        """The agent prepares JPEG 2000 and AVIF as they are, and converts none of an inference job's images."""
        files = [f"images/val/{i}{suffix}" for i, suffix in enumerate((".avif", ".jp2", ".gif", ".heic"))]
        self.assertEqual([name for name, _, _ in self.found(files, {}, "val")], ["0.avif", "1.jp2", "2.gif", "3.heic"])

    def test_of_folders_of_classes(self) -> None:
        files = ["val/0-cat/0.png", "val/1-dog/b__0.png"]
        found = self.found(files, {"val/0-cat/0.png": "a/0.png", "val/1-dog/b__0.png": "b/0.png"}, "val")
        self.assertEqual(found, [("a/0.png", 7, 0), ("b/0.png", "x", 1)])
        with self.assertRaisesRegex(JobError, "TEST_SPLIT: the split 'test' has no image in"):
            self.found(files, {}, "test")


class Jobs(TrainerTest):
    """A model that sees the brightest corner of a picture as its one object."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.batches: list[int] = []

    def images(self, count: int) -> list[Path]:
        (self.root / "in").mkdir(exist_ok=True)
        paths = [self.root / "in" / f"{i:03}.png" for i in range(count)]
        for i, path in enumerate(paths):
            Image.new("RGB", (40, 20 if i % 3 else 30), (i, 0, 0)).save(path)
        return paths

    def predictor(self) -> Predictor:
        def infer(batch: list[np.ndarray]) -> np.ndarray:
            self.batches.append(len(batch))
            return np.stack(batch)

        def decode(raw: np.ndarray, sizes: list[tuple[int, int]], measured: bool) -> list[Objects]:
            return [objects((1, 2, width - 3, height - 4, 0, 0.5 + image[0, 0, 0] / 1000)) for image, (width, height) in zip(raw, sizes, strict=True)]

        return Predictor(NAMES, np.asarray, infer, decode, settings={"confidence": 0.25})

    def run_job(self, lines: list[dict[str, Any]], **env: str) -> list[dict[str, Any]]:
        (self.root / "images.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))  # as the agent writes it
        (self.root / "best.pt").touch()
        classes = {"classes": [{"index": i, "name": name, "id": 7 * (i + 1)} for i, name in enumerate(NAMES)]}
        (self.root / "classes.json").write_text(json.dumps(classes))
        job = Job.load((), {"OUTPUT_DIR": str(self.root / "out"), "TASK_TYPE": "object_detection", "NUM_WORKERS": "2", "CLASSES_FILE": str(self.root / "classes.json")})
        given = {"CHECKPOINT_FILE": str(self.root / "best.pt"), "INPUTS_FILE": str(self.root / "images.jsonl"), "BATCH_SIZE": "4", **env}
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
            Run(job, Platform(job), InferenceRequest.load(job, (), given), self.predictor()).all()
        self.out = out.getvalue()
        return json.loads((self.root / "out/results.json").read_text())["results"]

    def lines(self, paths: list[Path]) -> list[dict[str, Any]]:
        return [{"uri": f"s3://b/in/{p.name}", "file": str(p)} for p in paths]

    def test_results_keep_the_order_and_the_addresses(self) -> None:
        paths = self.images(11)
        found = self.run_job(self.lines(paths))
        self.assertEqual([r["image_path"] for r in found], [f"s3://b/in/{p.name}" for p in paths])
        self.assertEqual([r["predictions"]["boxes"][0]["confidence"] for r in found], [round(0.5 + i / 1000, 5) for i in range(11)])
        self.assertEqual({(box["class_id"], box["class_index"], box["class_name"]) for r in found for box in r["predictions"]["boxes"]}, {(7, 0, NAMES[0])})
        self.assertEqual(sorted(self.batches), [3, 4, 4])  # of one shape each
        self.assertEqual(len(list((self.root / "out/visualizations").iterdir())), 11)
        self.assertFalse((self.root / "out/parts").exists())

    def test_odd_names_have_drawings_that_the_report_finds(self) -> None:
        (path,) = self.images(1)
        names = ["고" * 80, "100% #1?", "a\x85b"]
        self.run_job([{"uri": f"s3://b/in/{name}.png", "file": str(path)} for name in names])
        page = (self.root / "out/report.html").read_text()
        sources = [unquote(source) for source in re.findall(r'src="([^"]+)"', page)]
        self.assertEqual(sources, [f"visualizations/000000-{'고' * 60}.jpg", "visualizations/000001-100% #1?.jpg", "visualizations/000002-a\x85b.jpg"])
        self.assertTrue(all((self.root / "out" / source).is_file() for source in sources))

    def test_a_broken_and_a_missing_image_are_records(self) -> None:
        paths = self.images(3)
        paths[1].write_bytes(b"no image")
        lines = [*self.lines(paths), {"uri": "s3://b/gone.png", "file": str(self.root / "gone"), "error": "s3://b/gone.png does not exist"}]
        found = self.run_job(lines)
        self.assertEqual([r["error"] and r["error"][:20] for r in found], [None, "the image s3://b/in/", None, "s3://b/gone.png does"])
        self.assertEqual([r["predictions"] is None for r in found], [False, True, False, True])
        results = json.loads((self.root / "out/results.json").read_text())
        self.assertEqual((results["num_failed"], [row["image_path"] for row in results["failed"]]), (2, ["s3://b/in/001.png", "s3://b/gone.png"]))
        self.assertIn("<td>s3://b/gone.png does not exist</td>", (self.root / "out/report.html").read_text())
        self.assertIn('"images_failed", "message": "2 of 4 images could not be used; the first: the image s3://b/in/001.png cannot be read', self.out)
        whole = self.predictor()

        def read(path: Path) -> Any:
            if path == paths[1]:
                raise RuntimeError("a decoder of C code")  # as cv2.error is
            return whole.read(path)

        with mock.patch.object(self, "predictor", lambda: dataclasses.replace(whole, read=read)):
            found = self.run_job(self.lines(paths))
        self.assertEqual([r["error"] for r in found], [None, "the image s3://b/in/001.png cannot be read: a decoder of C code", None])
        with self.assertRaisesRegex(JobError, "none of the 1 images could be used; the first: s3://b/gone.png does not exist"):
            self.run_job(lines[3:])

    def test_an_image_without_a_pixel_at_the_models_size_is_a_record(self) -> None:
        def prepare(image: Image.Image) -> np.ndarray:
            if image.height == 30:
                raise RuntimeError("cv2: inv_scale_x > 0")
            return np.asarray(image)

        thin = dataclasses.replace(self.predictor(), prepare=prepare)
        with mock.patch.object(self, "predictor", lambda: thin):
            found = self.run_job(self.lines(self.images(3)))
        self.assertEqual([r["error"] for r in found], ["the image s3://b/in/000.png of 40 by 30 pixels cannot be prepared for the model: cv2: inv_scale_x > 0", None, None])

    def test_an_error_without_words_is_one_too(self) -> None:
        def prepare(image: Image.Image) -> np.ndarray:
            if image.height == 30:
                raise MemoryError
            return np.asarray(image)

        short = dataclasses.replace(self.predictor(), prepare=prepare)
        with mock.patch.object(self, "predictor", lambda: short):
            found = self.run_job(self.lines(self.images(3)))
        self.assertEqual([r["error"] for r in found], ["MemoryError", None, None])

    def test_a_name_of_a_class_may_have_line_breaks(self) -> None:
        names = ["a\ncat\t", "dog"]
        with mock.patch(f"{__name__}.NAMES", names):
            found = self.run_job(self.lines(self.images(2)))
        self.assertEqual(found[0]["predictions"]["boxes"][0]["class_name"], names[0])
        self.assertEqual(len(list((self.root / "out/visualizations").iterdir())), 2)

    def test_a_name_on_disk_need_not_be_utf8(self) -> None:
        odd = os.fsencode(self.root / "in") + b"/caf\xe9.png"
        (path,) = self.images(1)
        os.link(path, odd)
        path.unlink()
        (found,) = self.run_job([], INPUTS_FILE="", IMAGE_FILES=json.dumps([os.fsdecode(odd)]))
        self.assertEqual((Path(found["image_path"]).name, found["error"]), ("caf\ufffd.png", None))

    def test_a_checkpoint_of_another_task_is_refused(self) -> None:
        other = dataclasses.replace(self.predictor(), task="image_classification")
        with mock.patch.object(self, "predictor", lambda: other), mock.patch.dict(os.environ, {"TASK_TYPE": "object_detection"}), self.assertRaisesRegex(JobError, "best.pt is one for image_classification, the job's TASK_TYPE is object_detection"):
            self.run_job(self.lines(self.images(1)))

    def test_images_of_a_dataset_keep_the_platforms_ids(self) -> None:
        paths = self.images(2)
        found = self.run_job([{"name": "a/0.png", "id": 7, "file": str(paths[0])}, {"name": "gone.png", "id": "x", "file": "", "error": "gone.png is not in the dataset"}])
        self.assertEqual([(r["image_path"], r["image_id"], r["error"]) for r in found], [("a/0.png", 7, None), ("gone.png", "x", "gone.png is not in the dataset")])

    def test_an_answer_that_is_no_number_is_no_class(self) -> None:
        def decode(raw: np.ndarray, sizes: list[tuple[int, int]], measured: bool) -> list[np.ndarray]:
            return [np.array([np.nan, 0.5] if image[0, 0, 0] == 1 else [0.25, 0.75]) for image in raw]

        classifier = dataclasses.replace(self.predictor(), decode=decode)
        with mock.patch.object(self, "predictor", lambda: classifier):
            found = self.run_job(self.lines(self.images(3)))
        self.assertEqual([r["predictions"] and r["predictions"]["class_name"] for r in found], ["dog", None, "dog"])
        self.assertIn("s3://b/in/001.png is NaN", found[1]["error"])

    def test_a_box_that_is_no_number_is_no_box(self) -> None:
        broken = dataclasses.replace(self.predictor(), decode=lambda raw, _sizes, _measured: [objects((1, 2, np.nan, 4, 0, 0.5)) for _ in raw])
        with mock.patch.object(self, "predictor", lambda: broken), self.assertRaisesRegex(JobError, "none of the 2 images could be used; .*000.png is NaN"):
            self.run_job(self.lines(self.images(2)))

    def test_a_killed_job_goes_on_behind_its_last_whole_part(self) -> None:
        paths = self.images(130)
        lines = self.lines(paths)
        predictor = self.predictor
        broken = 0

        def dies() -> Predictor:
            nonlocal broken
            whole = predictor()

            def infer(batch: list[np.ndarray]) -> Any:
                nonlocal broken
                broken += len(batch)
                if broken > 128:
                    raise KeyboardInterrupt
                return whole.infer(batch)

            return Predictor(NAMES, whole.prepare, infer, whole.decode, settings=whole.settings)

        self.predictor = dies  # type: ignore[method-assign]
        with self.assertRaises(KeyboardInterrupt):
            self.run_job(lines)
        self.predictor = predictor  # type: ignore[method-assign]
        self.batches.clear()
        found = self.run_job(lines)
        self.assertEqual(sum(self.batches), 2)
        self.assertEqual([r["image_path"] for r in found], [line["uri"] for line in lines])
        self.assertIn('"processed_images": 130', self.out)
        self.assertIn("visualizations/000000-000.jpg", (self.root / "out/report.html").read_text())  # of the first life

    def test_coco_is_read_by_pycocotools(self) -> None:
        from pycocotools.coco import COCO

        self.run_job(self.lines(self.images(5)))
        with contextlib.redirect_stdout(io.StringIO()):
            whole = COCO(str(self.root / "out/predictions.coco.json"))
            found = whole.loadRes(str(self.root / "out/predictions.json"))
        self.assertEqual((len(whole.imgs), len(found.anns), whole.cats[7]["name"]), (5, 5, NAMES[0]))
        self.assertEqual(found.anns[1]["bbox"], [1, 2, 36, 24])

    def test_the_report_needs_no_network_and_korean_is_readable(self) -> None:
        self.run_job(self.lines(self.images(3)))
        page = (self.root / "out/report.html").read_text()
        self.assertNotIn("http", page)
        self.assertIn("visualizations/000000-000.jpg", page)
        self.needs("cvttf_NotoSansCJK_Regular")
        face = font(20)
        self.assertNotEqual(bytes(face.getmask("고")), bytes(face.getmask("양")))  # a font without them draws one box for both


    def explain(self, answer: bytes | None, status: int = 200, **env: str) -> tuple[list[dict[str, Any]], list[Call]]:
        """An inference job whose explanations are put into words by a server that answers so."""
        relay = Relay(lambda _call: (status, answer or b""))
        self.addCleanup(relay.close)
        names = {"ENABLE_XAI": "true", "XAI_METHOD": "lime", "ENABLE_LLM_EXPLANATION": "true", "OPENAI_BASE_URL": relay.url + "/v1", "OPENAI_API_KEY": "loopback", **env}
        with mock.patch.dict(os.environ, names):
            found = self.run_job(self.lines(self.images(1)))
        return found[0]["xai"], relay.calls

    def test_a_box_is_explained_in_numbers_pictures_and_words(self) -> None:
        said = {"summary": "A cat.", "key_factors": ["ears", 7], "confidence_reasoning": "Sure.", "alternative_considerations": "None."}
        (found,), (call,) = self.explain(json.dumps({"choices": [{"message": {"content": json.dumps(said)}}]}).encode())
        self.assertEqual({k: found["explanation"][k] for k in ("summary", "key_factors", "model")}, {"summary": "A cat.", "key_factors": ["ears"], "model": "gpt-4o-mini"})
        self.assertEqual((call.path, call.headers["Authorization"]), ("/v1/chat/completions", "Bearer loopback"))
        facts = json.loads(call.body["messages"][1]["content"])
        self.assertEqual((facts["class"], facts["method"]), (NAMES[0], "lime"))
        self.assertNotIn("image_url", json.dumps(call.body))
        self.assertEqual(found["bbox"], [1, 2, 37, 26])
        self.assertLessEqual({"max_activation", "mean_activation", "top_regions"}, set(found["lime"]))
        self.assertLessEqual({"deletion", "heat_inside_box"}, set(found["faithfulness"]))
        for name in ("heatmap_path", "overlay_path"):
            with Image.open(self.root / "out" / found[name]) as image:
                self.assertEqual(image.size, (40, 30))

    def test_an_image_that_cannot_be_explained_keeps_its_predictions(self) -> None:
        lines = self.lines(self.images(3))

        def explain(_explainer: Explainer, item: Any, *_: object) -> list[dict[str, Any]]:
            if item.sample.name.endswith(("000.png", broken)):
                raise ValueError("singular")
            return [{"method": "lime"}]

        with mock.patch.dict(os.environ, {"ENABLE_XAI": "true", "XAI_METHOD": "lime"}), mock.patch.object(Explainer, "explain", explain):
            broken = "none"
            found = self.run_job(lines)
            broken = ".png"
            with self.assertRaisesRegex(JobError, "nothing could be explained: .*000.png cannot be explained: ValueError: singular"):
                self.run_job(self.lines(self.images(2)))
        self.assertEqual([r.get("xai_error") for r in found], ["s3://b/in/000.png cannot be explained: ValueError: singular", None, None])
        self.assertEqual([len(r["predictions"]["boxes"]) for r in found], [1, 1, 1])

    def test_what_an_earlier_life_explained_counts(self) -> None:
        lives = 0

        def explain(_explainer: Explainer, item: Any, *_: object) -> list[dict[str, Any]]:
            if item.sample.name.endswith("008.png"):  # the first of the second part
                if lives == 0:
                    raise MemoryError
                raise ValueError("singular")
            return [{"method": "lime"}]

        lines = self.lines(self.images(9))
        with mock.patch.dict(os.environ, {"ENABLE_XAI": "true", "XAI_METHOD": "lime"}), mock.patch.object(Explainer, "explain", explain):
            with self.assertRaises(MemoryError):
                self.run_job(lines)
            lives = 1
            found = self.run_job(lines)
        self.assertEqual([len(r["xai"]) for r in found], [1] * 8 + [0])

    def test_a_job_that_explains_stops_after_the_image_at_hand(self) -> None:
        explained = 0

        def explain(*_: object) -> list[dict[str, Any]]:
            nonlocal explained
            explained += 1
            return []

        lines = self.lines(self.images(20))
        env = {"ENABLE_XAI": "true", "XAI_METHOD": "lime"}
        asked = property(lambda _: explained == 10, lambda *_: None)
        with mock.patch.dict(os.environ, env), mock.patch.object(Explainer, "explain", explain), mock.patch.object(Platform, "stop_requested", asked, create=True):
            with self.assertRaises(FileNotFoundError):  # it has no results yet
                self.run_job(lines)
            self.assertEqual((explained, len(list((self.root / "out/parts").iterdir()))), (10, 1))
            explained += 1  # and is started again
            self.assertEqual(len(self.run_job(lines)), 20)
        self.assertEqual(explained, 11 + 20 - 8)  # the first part is not done again

    def test_words_never_fail_a_job(self) -> None:
        for answer, status in ((b'{"error": {"message": "the budget is spent"}}', 403), (b"no JSON", 200), (b'{"choices": [{"message": {"content": null, "refusal": "no"}}]}', 200), (b"[" * 100_000, 200)):
            (found,), _ = self.explain(answer, status)
            self.assertEqual(found["explanation"]["model"], "none")
            self.assertIn("고양이", found["explanation"]["summary"])

    def test_words_alone_explain_nothing_and_that_is_said(self) -> None:
        with mock.patch.dict(os.environ, {"ENABLE_LLM_EXPLANATION": "true"}):
            self.run_job(self.lines(self.images(1)))
        self.assertIn("without ENABLE_XAI there are none", self.out)

    def test_what_cannot_be_explained_is_refused_with_the_reason(self) -> None:
        for message, env in (
            ("XAI_METHOD gradcam needs the model's gradients", {"XAI_METHOD": "gradcam"}), ("XAI_METHOD 'smooth' is not one of", {"XAI_METHOD": "smooth"}),
            ("XAI_TARGET_LAYERS is no JSON list", {"XAI_TARGET_LAYERS": "model.22"}),
        ):
            with self.assertRaisesRegex(JobError, message):
                self.explain(None, **env)
        masks = dataclasses.replace(self.predictor(), task="semantic_segmentation")
        with mock.patch.object(self, "predictor", lambda: masks), self.assertRaisesRegex(JobError, "masks of classes are not explained"):
            self.explain(None)
        self.assertEqual(self.batches, [])


class Perturbation(unittest.TestCase):
    """A model that only looks at the upper left quarter."""

    def test_lime_and_shap_find_where_the_model_looks(self) -> None:
        rng = np.random.default_rng(1)
        picture = rng.integers(60, 120, (48, 64, 3), dtype=np.uint8)
        picture[:24, :32] = 250

        def score(pictures: Any) -> np.ndarray:
            return np.array([p[:24, :32].mean() / 255 for p in pictures])

        for method in ("lime", "shap"):
            heat = normal(perturb(picture, score, method))
            self.assertGreater(heat[:24, :32].sum() / heat.sum(), 0.8, method)
            self.assertLess(deletion(picture, heat, score), deletion(picture, 1 - heat, score), method)
            (hottest, *_) = statistics(heat)["top_regions"]
            self.assertTrue(hottest["x"] + hottest["w"] <= 34 and hottest["y"] + hottest["h"] <= 26, hottest)


if __name__ == "__main__":
    unittest.main()
