"""The timm trainer, really training."""

from __future__ import annotations

import json
import shutil
import unittest
from pathlib import Path

import fixtures
import warm
from classifiers import ClassifierTest, assert_presets_learn
from process import TRAINERS, environment


class Timm(ClassifierTest):
    folder = "timm"
    model = "test_resnet"
    size = 64

    def checkpoints(self, out: str) -> list[str]:
        return sorted(p.name for p in (self.root / out / "checkpoints").iterdir())

    def read(self, path: object) -> dict[str, object]:
        probe = "import sys, json, torch; c = torch.load(sys.argv[1], weights_only=True); print(json.dumps({k: c[k] for k in ('epoch', 'arch', 'class_names')}))"
        return json.loads(warm.run(["-c", probe, str(path)], environment(None), check=True).stdout)

    def test_training_resume_prediction_and_export(self) -> None:
        whole = self.train("whole", EPOCHS=8)
        self.assert_learns(whole, "whole", epochs=8)
        self.assertEqual(self.checkpoints("whole"), ["best.pt", "epoch-2.pt", "epoch-4.pt", "epoch-6.pt", "epoch-8.pt", "last.pt"])
        self.assertEqual(self.read(self.root / "whole/checkpoints/last.pt"), {"epoch": 8, "arch": self.model, "class_names": ["a circle", "a square", "a triangle"]})
        self.assert_resumes_exactly(self.root / "whole/checkpoints/epoch-6.pt", whole, completed=6)
        self.assert_nothing_left_to_train(self.root / "whole/checkpoints/last.pt", whole)
        best = self.root / "whole/checkpoints/best.pt"
        self.assert_predicts_and_exports(best, whole.done["final_metrics"]["accuracy"])
        run = self.train("fine", EPOCHS=1, PRETRAINED_WEIGHTS=best, NUM_WORKERS=2, CONFIG_JSON='{"config": {"freeze_backbone": true, "model_ema": true}}')
        self.assertRegex(run.output, r"weights: (\d+) of \1 tensors from best.pt")

    def test_a_cut_epoch_leaves_no_trace(self) -> None:
        self.assert_a_cut_epoch_leaves_no_trace(lambda folder: folder / "last.pt")

    def test_every_preset_learns(self) -> None:
        assert_presets_learn(self, "timm", self.root, MODEL_NAME="test_resnet", IMAGE_SIZE=64, LEARNING_RATE=0.003)

    def test_every_policy_of_augmentation_takes_10000_images(self) -> None:
        found = warm.run([str(Path(__file__).with_name("probe_policies.py"))], environment(None, package=TRAINERS / "timm"))
        self.assertEqual(found.returncode, 0, found.stderr[-2000:])

    def test_weights_of_another_size_are_resized(self) -> None:
        vit = {"MODEL_NAME": "test_vit", "IMAGE_SIZE": 32, "EPOCHS": 1}
        self.train("vit", **vit)
        best = self.root / "vit/checkpoints/best.pt"
        self.assert_explains(best, "gradcam")
        run = self.train("larger", **{**vit, "IMAGE_SIZE": 64, "PRETRAINED_WEIGHTS": best})
        self.assertRegex(run.output, r"weights: (\d+) of \1 tensors from best.pt; interpolated for the image size: pos_embed\n")
        other = fixtures.write_imagefolder(self.root / "two", classes=2)
        run = self.train("two", **{**vit, "DATASET_DIR": other, "PRETRAINED_WEIGHTS": best})
        self.assertRegex(run.output, r"weights: \d+ of \d+ tensors from best.pt; fresh: head.bias, head.weight \(its head is of the classes a circle, a square, a triangle\)\n")
        self.fail_with("best.pt do not fit ", "timm/train.py", **self.job("other", PRETRAINED_WEIGHTS=best))

    def test_a_resume_as_another_training_is_refused_before_the_model_is_built(self) -> None:
        self.train("first", EPOCHS=1)
        anew = ": use another JOB_ID, or AGENT_RESUME=off to begin anew"
        two = fixtures.write_imagefolder(self.root / "resumed with two", classes=2)
        self.assert_refused("timm", self.job("refused", EPOCHS=2, RESUME_CHECKPOINT=self.root / "first/checkpoints/last.pt"), {
            "MODEL_NAME is test_vit, the checkpoint to resume is of test_resnet" + anew: {"MODEL_NAME": "test_vit", "IMAGE_SIZE": 32},
            "TASK_TYPE is semantic_segmentation, the checkpoint to resume is of image_classification" + anew: {"TASK_TYPE": "semantic_segmentation", "MODEL_NAME": "unet-test_resnet"},
            "has the classes ['a circle', 'a square', 'a triangle'], the dataset ['a circle', 'a square']" + anew: {"DATASET_DIR": two},
        })
        run = self.train("as another's weights", EPOCHS=2, MODEL_NAME="test_resnet.r160_in1k", RESUME_CHECKPOINT=self.root / "first/checkpoints/last.pt")
        self.assertEqual(run.epochs(), [2])

    def test_best_holds_no_optimizer_and_last_does(self) -> None:
        self.train("kept", EPOCHS=1)
        probe = "import sys, torch; print(*['optimizer' in torch.load(path, weights_only=True) for path in sys.argv[1:]])"
        paths = [str(self.root / "kept/checkpoints" / name) for name in ("best.pt", "last.pt")]
        self.assertEqual(warm.run(["-c", probe, *paths], environment(None), check=True).stdout, "False True\n")
        self.train("killed before best.pt", EPOCHS=1, RESUME_CHECKPOINT=paths[1])
        self.assertEqual(self.read(self.root / "killed before best.pt/checkpoints/best.pt")["epoch"], 1)

    def test_what_is_not_set_is_chosen_for_the_model(self) -> None:
        run = self.succeed("timm/train.py", **{k: v for k, v in self.job("chosen", EPOCHS=1, MODEL_NAME="test_vit", PRETRAINED="true").items() if k not in {"IMAGE_SIZE", "LEARNING_RATE"}})
        chosen, scratch = run.relay.of("event")
        self.assertEqual((chosen["data"], scratch["event_type"]), ({"image_size": 160, "learning_rate": 0.0005}, "training_from_scratch"))
        self.assertIn("not set, chosen for test_vit: IMAGE_SIZE=160, LEARNING_RATE=0.0005", run.output)
        self.assertEqual(run.relay.of("heartbeat")[0]["metrics"]["learning_rate"] <= 0.0005, True)
        probe = "import sys, torch; c = torch.load(sys.argv[1], weights_only=True); print(c['image_size'], c['learning_rate'])"
        found = warm.run(["-c", probe, str(self.root / "chosen/checkpoints/last.pt")], environment(None), check=True)
        self.assertEqual(found.stdout, "160 0.0005\n")

    def test_a_training_that_diverges_ends_at_once(self) -> None:
        run = self.fail_with("the training has diverged: after epoch 1 the weights of the model are NaN or infinite, first ", "timm/train.py", **self.job("diverged", LEARNING_RATE=1e30))
        self.assertEqual((run.epochs(), list((self.root / "diverged").rglob("*.pt"))), ([], []))
        self.assertEqual([event["event_type"] for event in run.relay.of("event")], ["learning_rate_unusual"])

    def test_a_stop_keeps_what_was_learnt(self) -> None:
        completed = self.stop("stop")
        self.assertEqual(self.read(self.root / "stop/checkpoints/last.pt")["epoch"], completed)

    def test_a_training_that_ends_early_says_so(self) -> None:
        self.assert_ends_early()

    def test_two_processes_report_once(self) -> None:
        self.assert_two_processes_report_once()

    def test_every_field_of_the_schema_changes_the_training(self) -> None:
        self.assertEqual(self.assert_schema_is_honoured("probe_timm.py")["amp"], [["torch.float16", "True"], ["torch.bfloat16", "False"]])

    def test_what_is_refused_says_what_to_do(self) -> None:
        broken = shutil.copytree(self.data, self.root / "broken")
        (broken / "train/0-circle/000.png").write_bytes(b"not an image")
        renamed = shutil.copytree(self.data, self.root / "renamed")
        (renamed / "val/0-circle").rename(renamed / "val/z-circle")
        one = fixtures.write_imagefolder(self.root / "one", classes=1)
        self.assert_refused("timm", self.job("refused", EPOCHS=1), {
            "is not a model of timm; near it: resnet18": {"MODEL_NAME": "resnet_18"},
            "val: the folders give the class order ['1-square', '2-triangle', 'z-circle']": {"DATASET_DIR": renamed},
            "unknown option 'mixupp' (did you mean 'mixup'?). Valid options: amp, amp_dtype, auto_augment,": {"CONFIG_JSON": '{"config": {"mixupp": 0.2}}'},
            "torch sees no GPU": {"DEVICE": "cuda"},
            "set BATCH_SIZE to 2 or more": {"BATCH_SIZE": 1, "IMAGE_SIZE": 32},
            "train: all 24 images are of the class 'a circle'": {"DATASET_DIR": one},
            "'freeze_backbone' trains only the classifier on top of random features": {"CONFIG_JSON": '{"freeze_backbone": true}'},
            "BATCH_SIZE 7 must be even": {"BATCH_SIZE": 7, "CONFIG_JSON": '{"mixup": 0.2}'},
        })
        unread = "train/0-circle/000.png cannot be read"  # by a data loader's worker
        run = self.fail_with(unread, "timm/train.py", **self.job("refused", EPOCHS=1, DATASET_DIR=broken, NUM_WORKERS=1))
        self.assertIn(unread, run.done["error_message"])
        self.assertNotIn("Traceback", run.done["error_message"])


if __name__ == "__main__":
    unittest.main()
