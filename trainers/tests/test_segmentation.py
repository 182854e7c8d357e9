"""Semantic segmentation with timm's U-Net and with SegFormer, really training."""

from __future__ import annotations

import json
import shutil
import tempfile
import unittest
from pathlib import Path
from typing import Any

import fixtures
import numpy as np
import torch
from PIL import Image
from process import TrainerTest
from torch.nn import functional
from trainer_vision.segmenter import best

ONE_CLASS = "all annotated pixels are of the class ['circle'], and with ignore_background nothing else counts"
NOTHING_IN_VAL = "val: none of the 9 images has a labelled object: there is nothing to measure against. Annotate some of them, or divide"


class SegmentationTest(TrainerTest):
    folder: str
    model: str
    rate = 0.004

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = Path(folder.name)
        cls.data = fixtures.write_coco(cls.root / "data")

    def job(self, out: str, **more: object) -> dict[str, object]:
        small = {"EPOCHS": 8, "BATCH_SIZE": 4, "IMAGE_SIZE": 64, "CHECKPOINT_FREQUENCY": 2, "LEARNING_RATE": self.rate, "PRETRAINED": "false"}
        return {"TASK_TYPE": "semantic_segmentation", "MODEL_NAME": self.model, "DATASET_DIR": self.data, "OUTPUT_DIR": self.root / out, **small, **more}

    def only(self, split: str, *categories: int) -> Path:
        """The dataset with labels of these categories alone in a split, and crowds of the others."""
        data = Path(tempfile.mkdtemp(dir=self.root))
        shutil.copytree(self.data, data, dirs_exist_ok=True)
        path = data / f"annotations/instances_{split}.json"
        document = json.loads(path.read_text())
        path.write_text(json.dumps({**document, "annotations": [{**row, "iscrowd": int(row["category_id"] not in categories)} for row in document["annotations"]]}))
        return data

    def train(self, out: str, **more: object) -> Any:
        return self.succeed(f"{self.folder}/train.py", **self.job(out, **more))

    def assert_learns_and_resumes(self, checkpoint: str, completed: int) -> Any:
        """A training that comes to something, and its end once more from a checkpoint, to the last digit."""
        whole = self.train("whole")
        self.assertEqual([c.kind for c in whole.relay.calls], ["heartbeat", "validation"] * 8 + ["done"])
        first, last = whole.relay.of("heartbeat")[0]["metrics"], whole.relay.of("heartbeat")[-1]["metrics"]
        self.assertLessEqual({"loss", "val_loss", "mIoU", "pixel_accuracy", "mean_accuracy", "IoU(background)", "learning_rate"}, set(first))
        self.assertLess(last["val_loss"], first["val_loss"])
        self.assertGreater(whole.done["final_metrics"]["mIoU"], 0.5)  # all background would be 0.2
        body = whole.relay.of("validation")[-1]
        self.assertEqual((body["primary_metric_name"], body["num_images_validated"]), ("mIoU", 9))
        self.assertEqual([row["class_name"] for row in body["per_class_metrics"]], list(fixtures.SHAPES))
        matrix = np.array(body["confusion_matrix"])
        self.assertEqual((matrix.shape, matrix.sum()), ((4, 4), 9 * 64 * 64))
        self.assertEqual([row["support"] for row in body["per_class_metrics"]], matrix.sum(1)[:3].tolist())
        images = json.loads((self.root / "whole" / body["image_results_path"]).read_text())["images"]
        self.assertEqual(len(images), 9)
        rest = self.train("rest", RESUME_CHECKPOINT=self.root / "whole/checkpoints" / checkpoint)
        self.assertEqual([b["metrics"] for b in rest.relay.of("heartbeat")], [b["metrics"] for b in whole.relay.of("heartbeat")[completed:]])
        return whole

    def assert_predicts_and_exports(self, whole: Any) -> None:
        best, expected = self.root / "whole" / whole.done["checkpoint_path"], whole.done["final_metrics"]["mIoU"]
        run = self.succeed(f"{self.folder}/predict.py", INFERENCE_TYPE="test_run", CHECKPOINT_FILE=best, TASK_TYPE="semantic_segmentation", DATASET_DIR=self.data, OUTPUT_DIR=self.root / "test-run")
        done = run.relay.calls[-1].body
        self.assertAlmostEqual(done["overall_metrics"]["mIoU"], expected, delta=0.05)  # masks of the images' own size
        results = json.loads((self.root / "test-run/results.json").read_text())["results"]
        masks = [np.asarray(Image.open(self.root / "test-run" / r["predictions"]["mask_path"])) for r in results]
        self.assertEqual({mask.shape for mask in masks}, {(96, 96)})
        self.assertEqual(sum(int((mask == 3).sum()) for mask in masks), sum(row[3] for row in done["confusion_matrix"]))
        for name in ("torchscript", "onnx"):
            with self.subTest(name):
                asked = {"TASK_TYPE": "semantic_segmentation", "DATASET_DIR": self.data, "ENABLE_VALIDATION": "true"}
                run = self.succeed(f"{self.folder}/export.py", "--checkpoint", str(best), "--format", name, "--output", str(self.root / name), **asked)
                done = run.relay.calls[-1].body
                self.assertEqual(done["model_info"]["output_shape"], [4, 64, 64])
                self.assertAlmostEqual(done["validation_metrics"]["original_accuracy"], expected, delta=0.05)
                self.assertAlmostEqual(done["validation_metrics"]["accuracy_drop"], 0, delta=0.001)
        run = self.succeed(f"{self.folder}/predict.py", INFERENCE_TYPE="test_run", CHECKPOINT_FILE=self.root / "onnx/model.onnx", TASK_TYPE="semantic_segmentation", DATASET_DIR=self.data, OUTPUT_DIR=self.root / "exported")
        body = run.relay.calls[-1].body
        self.assertAlmostEqual(body["overall_metrics"]["mIoU"], expected, delta=0.05)
        self.assertEqual((np.array(body["confusion_matrix"]).shape, [row["class_name"] for row in body["per_class_metrics"]]), ((4, 4), list(fixtures.SHAPES)))


class UNet(SegmentationTest):
    folder = "timm"
    model = "unet-test_resnet"

    def test_training_resume_prediction_and_export(self) -> None:
        self.assert_predicts_and_exports(self.assert_learns_and_resumes("epoch-6.pt", 6))

    def test_a_cut_epoch_leaves_no_trace(self) -> None:
        self.assert_a_cut_epoch_is_trained_again(self.folder, 24 + 12, **self.job("unused", EPOCHS=3, CHECKPOINT_FREQUENCY=0))

    def test_weights_of_a_classifier_are_the_encoders(self) -> None:
        folders = fixtures.write_imagefolder(self.root / "folders")
        classifier = self.job("classifier", EPOCHS=1, TASK_TYPE="image_classification", MODEL_NAME="test_resnet", DATASET_DIR=folders)
        self.succeed("timm/train.py", **classifier)
        options = '{"config": {"ignore_background": true, "auto_augment": "rand-m7-mstd0.5-inc1", "freeze_backbone": true}}'
        run = self.train("encoder", EPOCHS=1, PRETRAINED_WEIGHTS=self.root / "classifier/checkpoints/best.pt", CONFIG_JSON=options)
        self.assertRegex(run.output, r"weights: \d+ of \d+ tensors from best.pt; fresh: decoder.0.0.weight, ")
        self.assertIn("options for whole images, not used for masks: auto_augment", run.output)
        self.assertEqual(np.array(run.relay.of("validation")[0]["confusion_matrix"]).shape, (3, 3))
        run = self.train("again", EPOCHS=1, PRETRAINED_WEIGHTS=self.root / "encoder/checkpoints/best.pt")
        self.assertRegex(run.output, r"weights: \d+ of \d+ tensors from best.pt; fresh: head.bias, head.weight \(its head is of the classes ")  # the background is new

    def test_what_is_refused_says_what_to_do(self) -> None:
        self.assert_refused("timm", self.job("refused"), {
            NOTHING_IN_VAL: {"DATASET_DIR": self.only("val")},
            "train: none of the 24 images has a labelled object: there is nothing to learn.": {"DATASET_DIR": self.only("train")},
            "MODEL_NAME 'resnet18' does not segment: use unet-resnet18": {"MODEL_NAME": "resnet18"},
            ONE_CLASS: {"DATASET_DIR": self.only("train", 1), "CONFIG_JSON": '{"config": {"ignore_background": true}}'},
            "annotations/instances_train.json: semantic_segmentation wants the format coco": {"DATASET_DIR": self.root},
        })


class SegFormer(SegmentationTest):
    folder = "huggingface"
    model = "segformer-b0"
    rate = 0.001

    def test_training_resume_prediction_and_export(self) -> None:
        self.assert_predicts_and_exports(self.assert_learns_and_resumes("checkpoint-42", 7))

    def test_a_cut_epoch_leaves_no_trace(self) -> None:
        self.assert_a_cut_epoch_is_trained_again(self.folder, 24 + 12, **self.job("unused", EPOCHS=3, CHECKPOINT_FREQUENCY=0))

    def test_what_is_refused_says_what_to_do(self) -> None:
        self.assert_refused("huggingface", self.job("refused"), {
            "needs a model that segments; vit-tiny-patch16-224 is a vit. Use segformer-b0": {"MODEL_NAME": "vit-tiny-patch16-224"},
            NOTHING_IN_VAL: {"DATASET_DIR": self.only("val")},
            ONE_CLASS: {"DATASET_DIR": self.only("train", 1), "CONFIG_JSON": '{"config": {"ignore_background": true}}'},
        })


class Answers(unittest.TestCase):
    def test_the_best_class_of_a_pixel_is_that_of_all_classes_at_once(self) -> None:
        scores = torch.randn(7, 9, 5, generator=torch.Generator().manual_seed(0))
        for width, height in ((5, 9), (40, 31), (3, 2), (1, 50)):
            large = functional.interpolate(scores[None], size=(height, width), mode="bilinear", align_corners=False)[0]
            with self.subTest(width=width, height=height):
                self.assertTrue(torch.equal(best(scores, width, height), large.argmax(0).to(torch.int32)))


if __name__ == "__main__":
    unittest.main()
