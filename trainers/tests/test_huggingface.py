"""The Hugging Face trainer, really training: a vision transformer, and CLIP by text."""

from __future__ import annotations

import json
import shutil
import unittest
from pathlib import Path
from typing import Any

from classifiers import ClassifierTest


def step(folder: Path, number: int) -> Path:
    return folder / f"checkpoints/checkpoint-{3 * number}"  # three batches an epoch


class ImageClassification(ClassifierTest):
    folder = "huggingface"
    model = "vit-tiny-patch16-224"

    def test_training_resume_prediction_and_export(self) -> None:
        whole = self.train("whole", EPOCHS=8)
        self.assert_learns(whole, "whole", epochs=8)
        best = self.root / "whole" / whole.done["checkpoint_path"]
        self.assertEqual(best, step(self.root / "whole", int(whole.done["final_metrics"]["best_epoch"])))
        state = json.loads((step(self.root / "whole", 8) / "trainer_state.json").read_text())
        self.assertEqual(Path(state["best_model_checkpoint"]), best)
        self.assert_resumes_exactly(step(self.root / "whole", 7), whole, completed=7)
        self.assert_nothing_left_to_train(step(self.root / "whole", 8), whole)
        self.assert_predicts_and_exports(best, whole.done["final_metrics"]["accuracy"])
        weights = Path(shutil.make_archive(str(self.root / "weights"), "zip", best))
        run = self.train("fine", EPOCHS=1, PRETRAINED_WEIGHTS=weights, IMAGE_SIZE=48, NUM_WORKERS=2)
        self.assertRegex(run.output, r"weights: (\d+) of \1 tensors from weights.zip")
        run = self.train("single", EPOCHS=1, PRETRAINED_WEIGHTS=best / "model.safetensors")
        self.assertRegex(run.output, r"weights: (\d+) of \1 tensors from model.safetensors")

    def job(self, out: str, **more: object) -> dict[str, object]:
        return super().job(out, **{"LEARNING_RATE": 0.001, **more})

    def test_a_stop_saves_in_the_middle_of_the_epoch(self) -> None:
        completed = self.stop("stop")
        newest = max((self.root / "stop/checkpoints").iterdir(), key=lambda p: int(p.name.rsplit("-", 1)[1]))
        state = json.loads((newest / "trainer_state.json").read_text())
        self.assertGreaterEqual(state["epoch"], completed)
        run = self.train("continued", EPOCHS=completed + 1, RESUME_CHECKPOINT=newest)
        self.assertEqual(run.epochs(), [completed + 1])

    def test_two_processes_report_once(self) -> None:
        self.assert_two_processes_report_once()

    def test_every_field_of_the_schema_changes_the_training(self) -> None:
        self.assertEqual(self.assert_schema_is_honoured("probe_huggingface.py")["amp"], [[True, False], [False, False]])

    def test_what_is_refused_says_what_to_do(self) -> None:
        renamed = shutil.copytree(self.data, self.root / "renamed")
        (renamed / "val/0-circle").rename(renamed / "val/z-circle")
        for message, change in (
            ("unknown option 'promt' (did you mean 'prompt'?). Valid options: activation_checkpointing, adam_beta1,", {"CONFIG_JSON": '{"config": {"promt": "{}"}}'}),
            ("val: the folders give the class order ['1-square', '2-triangle', 'z-circle']", {"DATASET_DIR": renamed}),
            ("torch sees no GPU", {"DEVICE": "cuda"}),
            ("MODEL_NAME 'vit-huge' is not known without weights", {"MODEL_NAME": "vit-huge"}),
            ("IMAGE_SIZE 33 is not a multiple of the model's patch of 16; use 32", {"IMAGE_SIZE": 33}),
            ("zero_shot_classification needs a CLIP model", {"TASK_TYPE": "zero_shot_classification"}),
        ):
            with self.subTest(message):
                run = self.fail_with(message, "huggingface/train.py", **self.job("refused", EPOCHS=1, **change))
                self.assertIn(message, run.done["error_message"])


class ZeroShot(ClassifierTest):
    folder = "huggingface"
    model = "clip-vit-tiny-patch16"
    task = "zero_shot_classification"

    def test_clip_is_evaluated_by_text_and_tuned(self) -> None:
        whole: Any = self.train("whole")
        self.assertEqual(whole.relay.calls[0].body["event_type"], "zero_shot_evaluated")
        self.assertLess(whole.relay.calls[0].body["data"]["metrics"]["accuracy"], whole.done["final_metrics"]["accuracy"])
        self.assert_learns(whole, "whole", epochs=3)
        self.assert_resumes_exactly(step(self.root / "whole", 2), whole, completed=2)
        best = self.root / "whole" / whole.done["checkpoint_path"]
        self.assertLessEqual({"config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"}, {p.name for p in best.iterdir()})
        self.assert_predicts_and_exports(best, whole.done["final_metrics"]["accuracy"])
        run = self.train("tuned", EPOCHS=1, PRETRAINED_WEIGHTS=best, CONFIG_JSON='{"config": {"freeze_backbone": true}}')
        self.assertGreater(run.relay.calls[0].body["data"]["metrics"]["accuracy"], 0.8)  # the text tower came with the weights


if __name__ == "__main__":
    unittest.main()
