"""Detection with transformers' RT-DETR, really training."""

from __future__ import annotations

import json
import shutil
import tempfile
import unittest
from pathlib import Path

import fixtures
import numpy as np
import warm
from process import TRAINERS, TrainerTest, environment

TRAIN = "huggingface/train.py"


class Detr(TrainerTest):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = Path(folder.name)
        cls.data = fixtures.write_coco(cls.root / "data", train=48)

    def job(self, out: str, **more: object) -> dict[str, object]:
        small = {"EPOCHS": 20, "BATCH_SIZE": 4, "IMAGE_SIZE": 96, "LEARNING_RATE": 0.002, "PRETRAINED": "false", "CONFIG_JSON": '{"config": {"crop_scale_min": 1.0}}'}
        return {"TASK_TYPE": "object_detection", "MODEL_NAME": "rtdetr-tiny", "DATASET_DIR": self.data, "OUTPUT_DIR": self.root / out, **small, **more}

    def test_detection_learns_and_resumes(self) -> None:
        self.needs("scipy", "faster_coco_eval")
        whole = self.succeed(TRAIN, **self.job("whole"))
        self.assertEqual([c.kind for c in whole.relay.calls], ["heartbeat", "validation"] * 20 + ["done"])
        first, last = whole.relay.of("heartbeat")[0]["metrics"], whole.relay.of("heartbeat")[-1]["metrics"]
        self.assertLessEqual({"loss", "val_loss", "mAP50", "mAP50-95", "precision", "recall", "learning_rate"}, set(first))
        self.assertLess(last["val_loss"], first["val_loss"])
        self.assertGreater(whole.done["final_metrics"]["mAP50"], 0.5)
        body = whole.relay.of("validation")[-1]
        self.assertEqual(body["primary_metric_name"], "mAP50-95")
        self.assert_validation(body, classes=3, images=9, background=True)
        self.assertEqual([row["support"] for row in body["per_class_metrics"]], [3, 3, 2])
        images = json.loads((self.root / "whole" / body["image_results_path"]).read_text())["images"]
        self.assertEqual(sum(len(image["ground_truth"]) for image in images), 8)
        rest = self.succeed(TRAIN, **self.job("rest", RESUME_CHECKPOINT=self.root / f"whole/checkpoints/checkpoint-{12 * 19}"))
        self.assertEqual([b["metrics"] for b in rest.relay.of("heartbeat")], [b["metrics"] for b in whole.relay.of("heartbeat")[19:]])
        best = self.root / "whole" / whole.done["checkpoint_path"]
        run = self.succeed("huggingface/predict.py", INFERENCE_TYPE="test_run", CHECKPOINT_FILE=best, TASK_TYPE="object_detection", DATASET_DIR=self.data, OUTPUT_DIR=self.root / "test-run")
        self.assertAlmostEqual(run.relay.calls[-1].body["overall_metrics"]["mAP50-95"], whole.done["final_metrics"]["mAP50-95"], delta=0.01)
        self.succeed("huggingface/predict.py", INFERENCE_TYPE="test_run", TEST_SPLIT="all", CHECKPOINT_FILE=best, TASK_TYPE="object_detection", DATASET_DIR=self.with_a_split_of_backgrounds(), OUTPUT_DIR=self.root / "all", SAVE_VISUALIZATIONS="false")
        self.assertEqual(json.loads((self.root / "all/results.json").read_text())["num_images"], 48 + 9 + 1)
        broken = {"CHECKPOINT_FILE": self.without_numbers(best), "TASK_TYPE": "object_detection", "DATASET_DIR": self.data, "OUTPUT_DIR": self.root / "nan"}
        self.fail_with("are NaN, first in model.backbone", "huggingface/predict.py", INFERENCE_TYPE="test_run", **broken)
        self.fail_with("is a detector (rtdetr-tiny), which this trainer does not export", "huggingface/export.py", "--checkpoint", str(best), "--format", "onnx", "--output", str(self.root / "onnx"))
        run = self.succeed(TRAIN, **self.job("fine", EPOCHS=1, PRETRAINED_WEIGHTS=best))
        self.assertRegex(run.output, r"weights: (\d+) of \1 tensors from checkpoint-\d+")

    def without_numbers(self, checkpoint: Path) -> Path:
        """The same checkpoint of a training that has diverged."""
        from safetensors.numpy import load_file, save_file

        broken = shutil.copytree(checkpoint, self.root / "broken" / checkpoint.name)
        weights = load_file(broken / "model.safetensors")
        save_file({name: np.full_like(w, np.nan) if w.dtype.kind == "f" else w for name, w in weights.items()}, broken / "model.safetensors", metadata={"format": "pt"})
        return broken

    def with_a_split_of_backgrounds(self) -> Path:
        data = shutil.copytree(self.data, self.root / "backgrounds")
        (data / "images/test/a").mkdir(parents=True)
        shutil.copy(data / "images/val/a/008.png", data / "images/test/a/000.png")
        document = json.loads((data / "annotations/instances_val.json").read_text())
        document |= {"images": [{**document["images"][0], "file_name": "a/000.png"}], "annotations": []}
        (data / "annotations/instances_test.json").write_text(json.dumps(document))
        return data

    def test_crowds_are_read_beside_the_objects(self) -> None:
        data = shutil.copytree(self.data, self.root / "crowds")
        path = data / "annotations/instances_val.json"
        document = json.loads(path.read_text())
        document["annotations"][2]["iscrowd"] = 1
        path.write_text(json.dumps(document))
        code = (
            "import offline, json, sys; from detection import SplitBoxes; from trainer_sdk import Job\n"
            "val = SplitBoxes(Job.load((), {'TASK_TYPE': 'object_detection', 'MODEL_NAME': 'rtdetr-tiny', 'DATASET_DIR': sys.argv[1]}), 'val')\n"
            "print(json.dumps([[len(val.truth(i)), val.truth(i).crowds.classes.tolist()] for i in range(len(val))]))"
        )
        found = warm.run(["-c", code, str(data)], environment(None, package=TRAINERS / "huggingface"))
        self.assertEqual(found.returncode, 0, found.stderr[-2000:])
        read = json.loads(found.stdout.splitlines()[-1])
        self.assertEqual((sum(objects for objects, _ in read), [classes for _, classes in read if classes]), (7, [[2]]))

    def test_boxes_end_at_the_edges_of_the_image(self) -> None:
        code = (
            "import offline, json, math, numpy; from detection import objects\n"
            "print(json.dumps([one.boxes.tolist() for one in (objects(numpy.array([[-0.1, 0.25, 1.1, 1.5, 0.9, 0]]), 200, 100), objects(numpy.array([[math.nan] * 4 + [0.9, 0]]), 200, 100))]))"
        )
        found = warm.run(["-c", code], environment(None, package=TRAINERS / "huggingface"))
        self.assertEqual(found.returncode, 0, found.stderr[-2000:])
        self.assertEqual(found.stdout.splitlines()[-1], "[[[0.0, 25.0, 200.0, 100.0]], [[NaN, NaN, NaN, NaN]]]")

    def test_a_detr_is_trained_from_its_own_weights(self) -> None:
        """Its answers have a class more, for no object, which is never a prediction."""
        self.needs("scipy", "faster_coco_eval")
        make = (
            "import sys; from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig\n"
            "backbone = ResNetConfig(embedding_size=16, hidden_sizes=[16, 32, 64, 128], depths=[1] * 4, layer_type='basic', out_features=['stage4'])\n"
            "small = {f'{part}_{what}': n for part in ('encoder', 'decoder') for what, n in (('layers', 1), ('ffn_dim', 64), ('attention_heads', 4))}\n"
            "config = DetrConfig(use_timm_backbone=False, backbone=None, backbone_config=backbone, d_model=64, num_queries=20, num_labels=5, **small)\n"
            "DetrForObjectDetection(config).save_pretrained(sys.argv[1])"
        )
        warm.run(["-c", make, str(self.root / "own")], environment(None), check=True)
        run = self.succeed(TRAIN, **self.job("detr", MODEL_NAME="", EPOCHS=1, IMAGE_SIZE=64, PRETRAINED="true", PRETRAINED_WEIGHTS=self.root / "own"))
        self.assertRegex(run.output, r"weights: \d+ of \d+ tensors from own; fresh: class_labels_classifier.bias, class_labels_classifier.weight\n")
        best = self.root / "detr" / run.done["checkpoint_path"]
        self.succeed("huggingface/predict.py", INFERENCE_TYPE="test_run", CHECKPOINT_FILE=best, CONFIDENCE_THRESHOLD="0", TASK_TYPE="object_detection", DATASET_DIR=self.data, OUTPUT_DIR=self.root / "detr-run", SAVE_VISUALIZATIONS="false")
        results = json.loads((self.root / "detr-run/results.json").read_text())["results"]
        self.assertEqual({box["class_index"] for result in results for box in result["predictions"]["boxes"]}, {0, 1, 2})

    def test_a_cut_epoch_leaves_no_trace(self) -> None:
        self.needs("scipy", "faster_coco_eval")
        self.assert_a_cut_epoch_is_trained_again("huggingface", 48 + 12, **self.job("unused", EPOCHS=3, IMAGE_SIZE=64))

    def test_what_is_refused_says_what_to_do(self) -> None:
        self.needs("scipy", "faster_coco_eval")
        crowds = shutil.copytree(self.data, self.root / "crowds-alone")
        path = crowds / "annotations/instances_val.json"
        path.write_text(path.read_text().replace('"iscrowd": 0', '"iscrowd": 1'))
        self.assert_refused("huggingface", self.job("refused"), {
            "a batch norm cannot learn from a single image as small as this: set BATCH_SIZE to 2 or more": {"IMAGE_SIZE": 32, "BATCH_SIZE": 1},
            "val: none of the 9 images has a labelled object: there is nothing to measure against": {"DATASET_DIR": crowds},
            "IMAGE_SIZE 100 is not a multiple of 32, which detectors here want; use 96": {"IMAGE_SIZE": 100},
        })

    def test_a_training_that_diverges_says_so(self) -> None:
        self.needs("scipy", "faster_coco_eval")
        run = self.fail_with("the training has diverged: the boxes of the model are NaN", TRAIN, **self.job("diverged", IMAGE_SIZE=64, EPOCHS=1, LEARNING_RATE=1e30))
        self.assertNotIn("nan", run.done["error_message"])  # no dump of them


if __name__ == "__main__":
    unittest.main()
