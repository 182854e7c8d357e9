"""Test runs and inference jobs of any trainer: the images, the records, the files."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import unquote

import numpy as np
from inference_jobs import NAMES, InferenceTest, objects
from PIL import Image
from process import TRAINERS
from trainer_sdk import Job, JobError, Platform
from trainer_sdk.inference import InferenceRequest
from trainer_vision.inference import Mask, Predictor
from trainer_vision.inference.draw import WIDEST, below, font
from trainer_vision.inference.outputs import write_csv
from trainer_vision.inference.running import Run, fitting
from trainer_vision.inference.samples import check_names, labelled


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
        with self.assertRaisesRegex(JobError, "TEST_SPLIT: the split 'test' has no image; the dataset has val"):
            self.found(files, {}, "test")


    def test_folders_are_the_checkpoints_classes_by_their_names(self) -> None:
        """A test set need not have every class, nor their order."""
        self.found(["val/0-cat/0.png", "val/1-dog/1.png"], {}, "val")
        job = Job.load((), {"DATASET_DIR": str(self.root / "data")})
        check_names(job, ["ant", "dog", "cat"])
        self.assertEqual([(s.name, s.label) for s in labelled(job, "val", names=["ant", "dog", "cat"])], [("0.png", 2), ("1.png", 1)])
        with self.assertRaisesRegex(JobError, r"DATASET_ID: the checkpoint knows the classes \['ant', 'cat'\], the dataset has \['cat', 'dog'\]"):
            check_names(job, ["ant", "cat"])
        self.found(["images/val/0.png"], {}, "val")  # labels by number
        with self.assertRaisesRegex(JobError, "the checkpoint knows"):
            check_names(job, ["ant", "cat", "dog"])


class Jobs(InferenceTest):
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
        names = ["고" * 80, "100% #1", "a\x85b\\c\u202e", '<q?">', "\ufffd"]  # as the agent would have them in keys, and Windows on its disk
        self.run_job([{"uri": f"s3://b/in/{name}.png", "file": str(path)} for name in names])
        page = (self.root / "out/report.html").read_text()
        sources = [unquote(source) for source in re.findall(r'src="([^"]+)"', page)]
        self.assertEqual(sources, [f"visualizations/{i:06}-{name}.jpg" for i, name in enumerate(["고" * 60, "100% #1", "a_b_c_", "_q___", "_"])])
        self.assertTrue(all((self.root / "out" / source).is_file() for source in sources))

    def test_a_broken_and_a_missing_image_are_records(self) -> None:
        paths = self.images(3)
        paths[1].write_bytes(b"no image")
        lines = [*self.lines(paths), {"uri": "s3://b/gone.png", "file": str(self.root / "gone"), "error": "s3://b/gone.png does not exist"}]
        found = self.run_job(lines)
        self.assertEqual([r["error"] and r["error"][:20] for r in found], [None, "the image s3://b/in/", None, "s3://b/gone.png does"])
        whole = json.loads((self.root / "out/predictions.coco.json").read_text())
        self.assertEqual([(image["id"], image["width"]) for image in whole["images"]], [(1, 40), (3, 40)])
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

    def test_odd_images_are_read_or_told(self) -> None:
        folder = self.root / "odd"
        folder.mkdir()
        noise = np.random.default_rng(1).integers(0, 255, (40, 60, 4), dtype=np.uint8)
        plain, turned = Image.fromarray(noise[..., :3]), Image.Exif()
        turned[0x0112] = 6
        Image.fromarray(noise[:1, :1, :3]).save(folder / "one.png")
        Image.new("RGB", (1, 10_000)).save(folder / "tall.png")
        Image.new("RGB", (10_000, 1)).save(folder / "wide.png")
        Image.fromarray(noise).convert("CMYK").save(folder / "cmyk.jpg")
        Image.fromarray(noise[..., 0].astype(np.uint16) * 256).save(folder / "sixteen.png")
        plain.convert("P").save(folder / "palette.png")
        Image.fromarray(noise).save(folder / "alpha.png")
        for suffix in ("gif", "webp", "png"):
            plain.save(folder / f"moving.{suffix}", save_all=True, append_images=[Image.new("RGB", plain.size)] * 2)
        plain.save(folder / "turned.jpg", exif=turned)
        for name in ("a space", "고양이", "a\nline", "quote'\""):
            plain.save(folder / f"{name}.png")
        plain.save(folder / "whole.jpg")
        (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:600])
        (folder / "empty.jpg").touch()
        (folder / "none.jpg").write_bytes(b"no image")
        paths = sorted(folder.iterdir())
        with mock.patch("trainer_vision.images._said", set()):  # what it says once, other tests wait for
            found = {Path(record["image_path"]).name: record for record in self.run_job(self.lines(paths))}
        self.assertEqual(list(found), [path.name for path in paths])
        told = {name: record["error"].split(" cannot be read: ")[1].split(" /")[0] for name, record in found.items() if record["error"]}
        self.assertEqual(set(told), {"cut.jpg", "empty.jpg", "none.jpg"})
        self.assertEqual(told["empty.jpg"], "it is empty")
        self.assertEqual((found["turned.jpg"]["width"], found["turned.jpg"]["height"]), (40, 60))
        drawn = {path.name.split("-", 1)[1] for path in (self.root / "out/visualizations").iterdir()}
        self.assertEqual(drawn, {re.sub(r'[\n"]', "_", f"{Path(name).stem}.jpg") for name in found if name not in told})

    def test_a_folder_without_an_image_is_named(self) -> None:
        (self.root / "empty").mkdir()
        (self.root / "best.pt").touch()
        job = Job.load((), {"OUTPUT_DIR": str(self.root / "out"), "DATASET_DIR": str(self.root / "empty")})
        for argv in ((), ("--image", str(self.root / "empty"))):
            with self.assertRaisesRegex(JobError, "there is no image in .*/empty: IMAGE_PATHS, a DATASET_ID or --image has to name some"):
                InferenceRequest.load(job, argv, {"CHECKPOINT_FILE": str(self.root / "best.pt")})

    def test_a_size_that_the_model_refuses_is_named(self) -> None:
        def infer(_batch: list[np.ndarray]) -> np.ndarray:
            raise AssertionError("Input height (97) should be divisible by patch size (16).")

        whole = dataclasses.replace(self.predictor(), infer=infer)
        with mock.patch.object(self, "predictor", lambda: whole):
            with self.assertRaisesRegex(JobError, r"IMAGE_SIZE 97: the model takes no images of that size: Input height .* \(16\)\. Without"):
                self.run_job(self.lines(self.images(3)), IMAGE_SIZE="97")
            with self.assertRaises(AssertionError):  # nobody has asked for a size
                self.run_job(self.lines(self.images(3)))
        for said in ("CUDA error: no kernel image is available for execution on the device", "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", "CUDA out of memory"):
            with self.subTest(said), self.assertRaisesRegex(RuntimeError, f"^{said}"), fitting(97):
                raise RuntimeError(said)

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

    def test_a_threshold_that_the_model_does_not_have_is_told(self) -> None:
        self.run_job(self.lines(self.images(1)), CONFIDENCE_THRESHOLD="0.3", IOU_THRESHOLD="0.5")
        self.assertEqual(re.findall(r"[A-Z_]+ 0.\d has no effect", self.out), ["IOU_THRESHOLD 0.5 has no effect"])

    def test_a_name_of_a_class_may_have_line_breaks(self) -> None:
        names = ["a\ncat\t", "dog"]
        with mock.patch("inference_jobs.NAMES", names):
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

    def test_metrics_of_a_class_have_the_platforms_id(self) -> None:
        self.assertEqual(self.told_of([7, 14]), [7, 14])
        self.assertEqual(self.told_of([7, "dog"]), [0, 1])  # the callback has room for numbers only

    def told_of(self, ids: list[Any]) -> list[Any]:
        """The ids under which a test run tells its metrics of classes that have these."""
        (self.root / "data/images/val").mkdir(parents=True, exist_ok=True)
        shutil.copy(self.images(1)[0], self.root / "data/images/val")
        classes = [{"index": i, "name": name, "id": value} for i, (name, value) in enumerate(zip(NAMES, ids, strict=True))]
        (self.root / "data/classes.json").write_text(json.dumps({"classes": classes}))
        job = Job.load((), {"OUTPUT_DIR": str(self.root / "out"), "TASK_TYPE": "object_detection", "DATASET_DIR": str(self.root / "data")})
        (self.root / "best.pt").touch()
        request = InferenceRequest.load(job, (), {"CHECKPOINT_FILE": str(self.root / "best.pt"), "INFERENCE_TYPE": "test_run"})
        with contextlib.redirect_stdout(io.StringIO()):
            Run(job, Platform(job), request, dataclasses.replace(self.predictor(), truth=lambda _path, _width, _height: objects((1, 2, 30, 20, 0, 1)))).all()
        return [row["class_id"] for row in json.loads((self.root / "out/results.json").read_text())["per_class_metrics"]]

    def test_an_answer_that_is_no_number_is_no_class(self) -> None:
        def decode(raw: np.ndarray, sizes: list[tuple[int, int]], measured: bool) -> list[np.ndarray]:
            return [np.array([np.nan, 0.5] if image[0, 0, 0] == 1 else [0.25, 0.75]) for image in raw]

        classifier = dataclasses.replace(self.predictor(), decode=decode)
        with mock.patch.object(self, "predictor", lambda: classifier):
            found = self.run_job(self.lines(self.images(3)))
        self.assertEqual([r["predictions"] and r["predictions"]["class_name"] for r in found], ["dog", None, "dog"])
        self.assertIn("s3://b/in/001.png is NaN", found[1]["error"])

    def test_an_answer_of_any_kind_that_is_no_number_is_an_error(self) -> None:
        one = objects((1, 2, 30, 4, 0, 0.5))
        for wrong in (np.nan, np.inf):
            for answer in (
                np.array([wrong, 0.5]), objects((1, 2, wrong, 4, 0, 0.5)), objects((1, 2, 30, 4, 0, wrong)), Mask(np.zeros((30, 40), dtype=int), finite=False),
                dataclasses.replace(one, keypoints=np.array([[[1, 2, 1], [3, wrong, 1]]])), dataclasses.replace(one, polygons=[np.array([[1, 2], [3, 4], [5, wrong]])]),
            ):
                broken = dataclasses.replace(self.predictor(), decode=lambda raw, _sizes, _measured, answer=answer: [answer for _ in raw])
                with self.subTest(answer=answer), mock.patch.object(self, "predictor", lambda broken=broken: broken), self.assertRaisesRegex(JobError, "none of the 2 images could be used; .*000.png is NaN or infinite"):
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

    def test_a_killed_job_does_not_go_on_with_another_checkpoint(self) -> None:
        lines = self.lines(self.images(130))
        with mock.patch.object(Run, "_finish", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            self.run_job(lines)
        self.batches.clear()
        self.checkpoint = b"trained again"
        self.run_job(lines)
        self.assertEqual(sum(self.batches), 130)

    def test_the_table_has_every_classs_share_of_a_mask(self) -> None:
        record = {"image_path": "a.png", "image_id": 7, "error": None, "predictions": {"classes": [{"class_id": 3, "class_name": "cat", "class_index": 0, "share": 0.25}]}}
        write_csv(self.root / "results.csv", [record])
        with (self.root / "results.csv").open() as file:
            (row,) = csv.DictReader(file)
        self.assertEqual((row["class_name"], row["share"], row["x1"]), ("cat", "0.25", ""))

    def test_a_spreadsheet_calculates_nothing(self) -> None:
        boxes = [{"class_id": -1, "class_name": '=HYPERLINK("http://x","y")', "class_index": 0, "confidence": 0.5, "bbox": [-1.5, 0, 9, 9]}]
        record = {"image_path": "=cmd|x.png", "image_id": "@1", "error": "+1\n", "predictions": {"boxes": boxes}}
        write_csv(self.root / "results.csv", [record, *({**record, "image_path": f"{first}1"} for first in "\n＝＋－＠")])
        with (self.root / "results.csv").open(newline="") as file:
            row, *more = csv.DictReader(file)
        self.assertTrue(all(other["image_path"].startswith("'") for other in more))
        self.assertEqual([row[k] for k in ("image_path", "image_id", "class_name", "error", "x1")], ["'=cmd|x.png", "'@1", "'=HYPERLINK(\"http://x\",\"y\")", "'+1\n", "-1.5"])

    def test_coco_is_read_by_pycocotools(self) -> None:
        from pycocotools.coco import COCO

        self.run_job(self.lines(self.images(5)))
        with contextlib.redirect_stdout(io.StringIO()):
            whole = COCO(str(self.root / "out/predictions.coco.json"))
            found = whole.loadRes(str(self.root / "out/predictions.json"))
        self.assertEqual((len(whole.imgs), len(found.anns), whole.cats[7]["name"]), (5, 5, NAMES[0]))
        self.assertEqual(found.anns[1]["bbox"], [1, 2, 36, 24])

    def test_outlines_and_keypoints_are_read_by_pycocotools(self) -> None:
        from pycocotools.coco import COCO

        ring, points = np.array([[1.0, 2], [11, 2], [11, 12]]), np.array([[[3.0, 4, 0.9], [5, 6, 0.8]]])
        found = dataclasses.replace(objects((1, 2, 11, 12, 0, 0.9)), polygons=[ring], keypoints=points)
        model = dataclasses.replace(self.predictor(), decode=lambda raw, _sizes, _measured: [found] * len(raw))
        with mock.patch.object(self, "predictor", lambda: model):
            self.run_job(self.lines(self.images(1)))
        with contextlib.redirect_stdout(io.StringIO()):
            whole = COCO(str(self.root / "out/predictions.coco.json"))
            result = whole.loadRes(str(self.root / "out/predictions.json"))
        self.assertAlmostEqual(int(whole.annToMask(whole.anns[1]).sum()), 50, delta=6)  # half of 10 x 10
        self.assertEqual(whole.anns[1]["num_keypoints"], 2)
        self.assertEqual([row["keypoints"][:2] for row in (whole.anns[1], result.anns[1])], [[3, 4]] * 2)
        self.assertEqual(result.anns[1]["segmentation"], [[1, 2, 11, 2, 11, 12]])

    def test_coco_is_read_by_supervision(self) -> None:
        beside = Path(os.environ.get("TRAINER_VENV", TRAINERS.parent / ".venv")) / "integrations"
        if not (beside / "supervision").is_dir():
            self.needs("supervision")
        self.run_job(self.lines(self.images(5)))
        probe = (
            "import sys; sys.path.append(sys.argv[1]); import supervision; d = supervision.DetectionDataset.from_coco(sys.argv[2], sys.argv[3])\n"
            "print(len(d), d.classes, sum(len(found) for found in d.annotations.values()), next(iter(d.annotations.values())).xyxy.tolist())"
        )
        found = subprocess.run([sys.executable, "-c", probe, str(beside), str(self.root / "in"), str(self.root / "out/predictions.coco.json")], capture_output=True, text=True)
        self.assertEqual(found.stdout, f"5 {NAMES} 5 [[1.0, 2.0, 37.0, 26.0]]\n", found.stderr[-2000:])

    def test_the_report_needs_no_network_and_korean_is_readable(self) -> None:
        self.run_job(self.lines(self.images(3)))
        page = (self.root / "out/report.html").read_text()
        self.assertNotIn("http", page)
        self.assertIn("visualizations/000000-000.jpg", page)
        self.needs("cvttf_NotoSansCJK_Regular")
        face = font(20)
        self.assertNotEqual(bytes(face.getmask("고")), bytes(face.getmask("양")))  # a font without them draws one box for both

    def test_a_long_name_below_a_small_picture_is_not_cut(self) -> None:
        small = Image.new("RGB", (32, 32), "red")
        short, long, endless = (below(small, [name]) for name in ("disc", "a very long name of a class 0.98", "w" * 500))
        self.assertLess(short.width, long.width)
        self.assertTrue((np.asarray(long)[:, -4:] == 255)[32:].all() and (np.asarray(long)[32:, -24:-4] != 255).any())
        self.assertEqual(endless.width, WIDEST)


if __name__ == "__main__":
    unittest.main()
