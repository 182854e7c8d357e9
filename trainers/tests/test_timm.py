"""The timm trainer, really training."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import unittest

from classifiers import ClassifierTest
from process import environment


class Timm(ClassifierTest):
    folder = "timm"
    model = "test_resnet"
    size = 64

    def checkpoints(self, out: str) -> list[str]:
        return sorted(p.name for p in (self.root / out / "checkpoints").iterdir())

    def read(self, path: object) -> dict[str, object]:
        probe = "import sys, json, torch; c = torch.load(sys.argv[1], weights_only=True); print(json.dumps({k: c[k] for k in ('epoch', 'arch', 'class_names')}))"
        return json.loads(subprocess.run([sys.executable, "-c", probe, str(path)], capture_output=True, text=True, check=True, env=environment(None)).stdout)

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

    def test_a_stop_keeps_what_was_learnt(self) -> None:
        completed = self.stop("stop")
        self.assertEqual(self.read(self.root / "stop/checkpoints/last.pt")["epoch"], completed)

    def test_two_processes_report_once(self) -> None:
        self.assert_two_processes_report_once()

    def test_every_field_of_the_schema_changes_the_training(self) -> None:
        self.assertEqual(self.assert_schema_is_honoured("probe_timm.py")["amp"], [True, False])

    def test_what_is_refused_says_what_to_do(self) -> None:
        broken = shutil.copytree(self.data, self.root / "broken")
        (broken / "train/0-circle/000.png").write_bytes(b"not an image")
        renamed = shutil.copytree(self.data, self.root / "renamed")
        (renamed / "val/0-circle").rename(renamed / "val/z-circle")
        for message, change in (
            ("is not a model of timm; near it: resnet18", {"MODEL_NAME": "resnet_18"}),
            ("train/0-circle/000.png cannot be read", {"DATASET_DIR": broken}),
            ("val: the folders give the class order ['1-square', '2-triangle', 'z-circle']", {"DATASET_DIR": renamed}),
            ("unknown option 'mixupp' (did you mean 'mixup'?). Valid options: amp, auto_augment, clip_grad,", {"CONFIG_JSON": '{"config": {"mixupp": 0.2}}'}),
            ("torch sees no GPU", {"DEVICE": "cuda"}),
            ("BATCH_SIZE 7 must be even", {"BATCH_SIZE": 7, "CONFIG_JSON": '{"mixup": 0.2}'}),
        ):
            with self.subTest(message):
                run = self.fail_with(message, "timm/train.py", **self.job("refused", EPOCHS=1, **change))
                self.assertIn(message, run.done["error_message"])


if __name__ == "__main__":
    unittest.main()
