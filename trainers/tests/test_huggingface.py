"""The Hugging Face trainer, really training: a vision transformer, and CLIP by text."""

from __future__ import annotations

import json
import shutil
import unittest
from pathlib import Path
from typing import Any

import fixtures
import warm
from classifiers import ClassifierTest, assert_presets_learn
from process import TRAINERS, environment


def step(folder: Path, number: int) -> Path:
    return folder / f"checkpoints/checkpoint-{3 * number}"  # three batches an epoch


def newest(folder: Path) -> Path:
    """The last checkpoint of a training."""
    return max(folder.iterdir(), key=lambda path: int(path.name.rsplit("-", 1)[1]))


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
        two = fixtures.write_imagefolder(self.root / "two", classes=2)
        anew = ": use another JOB_ID, or AGENT_RESUME=off to begin anew"
        classes = "has the classes ['a circle', 'a square', 'a triangle'], the dataset ['a circle', 'a square']" + anew
        self.fail_with(classes, "huggingface/train.py", **self.job("two-out", EPOCHS=9, DATASET_DIR=two, RESUME_CHECKPOINT=step(self.root / "whole", 7)))
        another = "MODEL_NAME is clip-vit-tiny-patch16, the checkpoint to resume is of vit-tiny-patch16-224" + anew
        self.fail_with(another, "huggingface/train.py", **self.job("another", EPOCHS=9, MODEL_NAME="clip-vit-tiny-patch16", RESUME_CHECKPOINT=step(self.root / "whole", 7)))
        self.assert_predicts_and_exports(best, whole.done["final_metrics"]["accuracy"])
        self.assert_explains(best, "attention")
        weights = Path(shutil.make_archive(str(self.root / "weights"), "zip", best))
        run = self.train("fine", EPOCHS=1, PRETRAINED_WEIGHTS=weights, IMAGE_SIZE=48, NUM_WORKERS=2)
        self.assertRegex(run.output, r"weights: (\d+) of \1 tensors from weights.zip; position embedding: of 32 px, interpolated to 48\n")
        run = self.train("single", EPOCHS=1, PRETRAINED_WEIGHTS=best / "model.safetensors")
        self.assertRegex(run.output, r"weights: (\d+) of \1 tensors from model.safetensors")

    def job(self, out: str, **more: object) -> dict[str, object]:
        return super().job(out, **{"LEARNING_RATE": 0.001, **more})

    def test_a_cut_epoch_leaves_no_trace(self) -> None:
        self.assert_a_cut_epoch_leaves_no_trace(newest)

    def test_every_preset_learns(self) -> None:
        self.train("base", EPOCHS=4)
        assert_presets_learn(self, "huggingface", self.root, MODEL_NAME=self.model, IMAGE_SIZE=32, LEARNING_RATE=0.001, PRETRAINED_WEIGHTS=newest(self.root / "base/checkpoints"))

    def test_what_is_not_set_is_chosen_for_the_model(self) -> None:
        code = (
            "import offline, json, train; from config_schema import schema; from trainer_sdk import Job, Platform, check_options\n"
            "def chosen(model, weights=None, env={}, **options):\n"
            "    job = Job.load((), {'TASK_TYPE': 'image_classification', 'MODEL_NAME': model, **({'PRETRAINED_WEIGHTS': weights} if weights else {}), **env})\n"
            "    job = train.with_defaults(job, Platform(job, rank=1), check_options(options, schema())); return [job.image_size, job.learning_rate]\n"
            "import sys; chosen('vit-base-patch16-224', env={'LEARNING_RATE': '0.5'}); print(json.dumps([chosen('vit-base-patch16-224'), chosen('clip-vit-base-patch32'), chosen('', sys.argv[1]), chosen('', sys.argv[1], freeze_backbone=True)]))"
        )
        folder = self.foreign("ResNet", "{'size': {'shortest_edge': 64}, 'crop_pct': 0.875, 'image_mean': [0.5] * 3, 'image_std': [0.2] * 3, 'resample': 3}")
        found = warm.run(["-c", code, str(folder)], environment(None, package=TRAINERS / "huggingface"))
        self.assertEqual(found.returncode, 0, found.stderr[-2000:])
        self.assertEqual(json.loads(found.stdout.splitlines()[-1]), [[224, 0.0005], [224, 0.0005], [64, 0.0001], [64, 0.001]])
        self.assertEqual(found.stdout.count("starts from scratch: there are no pretrained weights of it"), 3)
        self.assertEqual(found.stdout.count("LEARNING_RATE 0.5 is far from the 0.0005 that suits vit-base-patch16-224"), 1)

    def foreign(self, kind: str, processor: str = "None") -> Path:
        """A folder with tiny fresh weights of another kind of model, as save_pretrained writes it."""
        small = {
            "ResNet": "embedding_size=8, hidden_sizes=[8, 16, 16, 16], depths=[1, 1, 1, 1], layer_type='basic'",
            "Segformer": "depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 16, 16], decoder_hidden_size=16, num_attention_heads=[1, 1, 1, 1]",
            "MobileViT": "hidden_sizes=[16, 16, 16], neck_hidden_sizes=[8, 8, 8, 8, 8, 8, 16], image_size=64",
        }
        code = (
            f"import json, sys, pathlib; from transformers import {kind}Config as C, {kind}ForImageClassification as M\n"
            f"M(C({small[kind]}, num_labels=5)).save_pretrained(sys.argv[1]); p = {processor}\n"
            "p and pathlib.Path(sys.argv[1], 'preprocessor_config.json').write_text(json.dumps(p))"
        )
        warm.run(["-c", code, str(self.root / kind)], environment(None), check=True)
        return self.root / kind

    def with_code(self) -> Path:
        """Weights whose config.json names Python files beside it, which leave a mark when they are run."""
        folder = self.root / "with code"
        folder.mkdir()
        code = {"AutoConfig": "own.Config", "AutoModelForImageClassification": "own.Model"}
        (folder / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": code}))
        (folder / "own.py").write_text(f"open({str(self.root / 'run')!r}, 'w')\nfrom transformers import PretrainedConfig, PreTrainedModel\nclass Config(PretrainedConfig): pass\nclass Model(PreTrainedModel): pass\n")
        return folder

    def test_weights_are_those_of_the_model_in_full_precision(self) -> None:
        code = (
            "import sys, offline, models, torch; from trainer_sdk import JobError; from transformers import ViTConfig as C, ViTForImageClassification as M\n"
            "def vit(layers): return M(C(hidden_size=192, num_attention_heads=3, num_hidden_layers=layers, intermediate_size=768))\n"
            "def told(weights):\n"
            "    try: return sorted({str(p.dtype) for p in models.build('image_classification', 'vit-tiny-patch16-224', 'ab', 224, weights).parameters()})\n"
            "    except JobError as error: return str(error)\n"
            "import json, pathlib; out = pathlib.Path(sys.argv[1]) / 'tiny-vit'; answers = []\n"
            "vit(12).half().save_pretrained(out / 'half'); vit(4).save_pretrained(out / 'other'); torch.save(vit(13).state_dict(), out / 'deeper.pt')\n"
            "torch.save({'model': {'module.' + k: v for k, v in vit(12).state_dict().items()}}, out / 'wrapped.pt'); (out / 'text.pt').write_text('hello')\n"
            "names = ('half', 'wrapped.pt', 'other', sys.argv[2], 'deeper.pt', 'text.pt'); answers = [told(out / name) for name in names]; print(json.dumps(answers))"
        )
        found = warm.run(["-c", code, str(self.root), str(self.foreign("ResNet"))], environment(None, package=TRAINERS / "huggingface"))
        self.assertEqual(found.returncode, 0, found.stderr[-2000:])
        half, wrapped, other, foreign, deeper, text = json.loads(found.stdout.splitlines()[-1])
        self.assertEqual((half, wrapped), (["torch.float32"], ["torch.float32"]))
        self.assertIn("are not of vit-tiny-patch16-224: num_hidden_layers is 4, not 12", other)
        self.assertIn("they are of a resnet, not of a vit", foreign)
        self.assertIn("of a deeper model", deeper)
        self.assertIn("are cut short, or no file of PyTorch", text)

    def test_a_head_of_other_classes_is_made_anew(self) -> None:
        """Of each task: what depends on the number of classes, and no other tensor."""
        code = (
            "import sys, json, pathlib, offline, models, torch\n"
            "out, answers = pathlib.Path(sys.argv[1]) / 'of other classes', []\n"
            "for task, name in (('image_classification', 'vit-tiny-patch16-224'), ('semantic_segmentation', 'segformer-b0'), ('object_detection', 'rtdetr-tiny')):\n"
            "    saved = models.build(task, name, ['red', 'blue', 'green'], 64, None); saved.save_pretrained(out / name)\n"
            "    def taken(names): return [key for key, value in models.build(task, name, names, 64, out / name).state_dict().items() if not torch.equal(value, saved.state_dict()[key])]\n"
            "    answers.append([taken(['red', 'blue', 'green']), taken(['blue', 'green', 'red'])])\n"
            "config = json.loads((out / 'vit-tiny-patch16-224/config.json').read_text()); config['id2label'] = {i: f'LABEL_{i}' for i in range(3)}\n"
            "(out / 'vit-tiny-patch16-224/config.json').write_text(json.dumps(config))\n"
            "task, name, saved = 'image_classification', 'vit-tiny-patch16-224', models.build('image_classification', 'vit-tiny-patch16-224', 'abc', 64, out / 'vit-tiny-patch16-224')\n"
            "print(json.dumps([*answers, taken(['x', 'y', 'z'])]))"
        )
        found = warm.run(["-c", code, str(self.root)], environment(None, package=TRAINERS / "huggingface"))
        self.assertEqual(found.returncode, 0, found.stderr[-2000:])
        self.assertEqual(found.stdout.count("(its head is of the classes red, blue, green)"), 3)
        (vit, changed), (segformer, labels), (detr, boxes), unnamed = json.loads(found.stdout.splitlines()[-1])
        self.assertEqual((vit, segformer, detr, unnamed), ([], [], [], []))
        self.assertEqual((changed, labels), (["classifier.weight"], ["decode_head.classifier.weight"]))  # a bias begins with zeros, as it was saved here
        self.assertEqual({name.split(".")[-2] if "decoder" not in name else "class_embed" for name in boxes}, {"class_embed", "denoising_class_embed", "enc_score_head"})

    def test_weights_that_want_blue_first_are_turned(self) -> None:
        """MobileViT's: what transformers says of an image with its own processor, the trainer says, and transformers says again of what the trainer has saved."""
        code = (
            "import sys, json, pathlib, offline, models, preprocessing, torch; from PIL import Image\n"
            "from transformers import AutoImageProcessor, AutoModelForImageClassification as Auto\n"
            "image, names = Image.linear_gradient('L').resize((90, 70)), 'abcde'; image = Image.merge('RGB', (image, image.rotate(90), Image.new('L', image.size, 200)))\n"
            "theirs = lambda folder: Auto.from_pretrained(folder).eval()(**AutoImageProcessor.from_pretrained(folder)(image, return_tensors='pt')).logits\n"
            "def ours(folder):\n"
            "    model, how = models.build('image_classification', '', names, 64, folder).eval(), preprocessing.of_model('', folder, 64)\n"
            "    return model, how, model(preprocessing.eval_transform(how)(image)[None]).logits\n"
            "with torch.no_grad():\n"
            "    given, kept = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]); fresh = Auto.from_pretrained(given)\n"
            "    [torch.nn.init.kaiming_normal_(p) for p in fresh.parameters() if p.dim() > 1]; fresh.save_pretrained(given)  # as they are, nothing of the image comes through\n"
            "    model, how, first = ours(given); model.save_pretrained(kept)\n"
            "    (kept / 'preprocessor_config.json').write_text(json.dumps(how.describe())); truth = theirs(given)\n"
            "    turned = AutoImageProcessor.from_pretrained(given)(image, return_tensors='pt')['pixel_values'].flip(1); wrong = Auto.from_pretrained(given).eval()(turned).logits\n"
            "    print(json.dumps([float((one - truth).abs().max()) for one in (first, ours(kept)[2], theirs(kept), wrong)]))"
        )
        folder = self.foreign("MobileViT", "{'image_processor_type': 'MobileViTImageProcessor', 'size': {'shortest_edge': 72}, 'do_center_crop': True, 'crop_size': {'height': 64, 'width': 64}, 'resample': 2}")
        found = warm.run(["-c", code, str(folder), str(self.root / "kept")], environment(None, package=TRAINERS / "huggingface"))
        self.assertEqual(found.returncode, 0, found.stderr[-2000:])
        *same, wrong = json.loads(found.stdout.splitlines()[-1])
        self.assertLess(max(same), wrong / 50, (same, wrong))

    def test_images_get_the_values_that_the_weights_processor_gives_them(self) -> None:
        """Against transformers' own: factors that are not 1/255, EfficientNet's offset and second division, and nearest, whose number is 0."""
        norm = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4], "size": {"height": 64, "width": 64}, "resample": 2}
        cases = [
            {"image_processor_type": "ViTImageProcessor", **norm, "rescale_factor": 1 / 127.5},
            {"image_processor_type": "ViTImageProcessor", **norm, "do_rescale": False, "do_normalize": False},
            {"image_processor_type": "EfficientNetImageProcessor", **norm, "resample": 0, "do_center_crop": False},
            {"image_processor_type": "EfficientNetImageProcessor", **norm, "do_center_crop": False, "rescale_factor": 1 / 127.5, "rescale_offset": True, "include_top": False},
            {"image_processor_type": "EfficientNetImageProcessor", **norm, "do_center_crop": False, "do_normalize": False},
        ]
        code = (
            "import sys, json, pathlib, offline, preprocessing; from PIL import Image; from transformers import AutoImageProcessor\n"
            "folder = pathlib.Path(sys.argv[1]); image = Image.linear_gradient('L').resize((64, 64)); image = Image.merge('RGB', (image, image.rotate(90), Image.new('L', image.size, 200)))\n"
            "def far(config):\n"
            "    (folder / 'preprocessor_config.json').write_text(json.dumps(config)); theirs = AutoImageProcessor.from_pretrained(folder)(image, return_tensors='pt')['pixel_values'][0].float()\n"
            "    how = preprocessing.of_model('', folder, 64); return [how.resample, float((preprocessing.eval_transform(how)(image) - theirs).abs().max() / theirs.std())]\n"
            "print(json.dumps([far(config) for config in json.loads(sys.argv[2])]))"
        )
        folder = self.root / "processors"
        folder.mkdir()
        found = warm.run(["-c", code, str(folder), json.dumps(cases)], environment(None, package=TRAINERS / "huggingface"))
        self.assertEqual(found.returncode, 0, found.stderr[-2000:])
        for case, (resample, far) in zip(cases, json.loads(found.stdout.splitlines()[-1]), strict=True):
            with self.subTest(case):
                self.assertEqual(resample, case["resample"])
                self.assertLess(far, 1e-4)

    def test_a_batch_of_one_is_refused_where_it_cannot_train(self) -> None:
        change = {"MODEL_NAME": "", "IMAGE_SIZE": 32, "BATCH_SIZE": 1, "PRETRAINED_WEIGHTS": self.foreign("ResNet")}
        self.fail_with("set BATCH_SIZE to 2 or more", "huggingface/train.py", **self.job("one", **change))

    def test_models_without_an_image_size_train(self) -> None:
        for kind in ("ResNet", "Segformer"):
            with self.subTest(kind):
                run = self.train(kind + "-out", EPOCHS=1, MODEL_NAME="", IMAGE_SIZE=64, PRETRAINED_WEIGHTS=self.foreign(kind), CONFIG_JSON='{"config": {"optim": "sgd"}}')
                self.assertRegex(run.output, r"weights: \d+ of \d+ tensors from \w+; fresh: classifier[.a-z0-9]+bias, classifier[.a-z0-9]+weight")

    def test_a_training_that_ends_early_says_so(self) -> None:
        self.assert_ends_early()

    def test_two_processes_report_once(self) -> None:
        self.assert_two_processes_report_once()

    def test_every_field_of_the_schema_changes_the_training(self) -> None:
        self.assertEqual(self.assert_schema_is_honoured("probe_huggingface.py")["amp"], [[True, False], [False, False]])

    def test_what_is_refused_says_what_to_do(self) -> None:
        renamed = shutil.copytree(self.data, self.root / "renamed")
        (renamed / "val/0-circle").rename(renamed / "val/z-circle")
        one = fixtures.write_imagefolder(self.root / "one", classes=1)
        self.assert_refused("huggingface", self.job("refused", EPOCHS=1), {
            "train: all 24 images are of the class 'a circle'": {"DATASET_DIR": one},
            "unknown option 'promt' (did you mean 'prompt'?). Valid options: activation_checkpointing, adam_beta1,": {"CONFIG_JSON": '{"config": {"promt": "{}"}}'},
            "val: the folders give the class order ['1-square', '2-triangle', 'z-circle']": {"DATASET_DIR": renamed},
            "torch sees no GPU": {"DEVICE": "cuda"},
            "trains only the classifier on top of random features": {"CONFIG_JSON": '{"config": {"freeze_backbone": true}}'},
            "MODEL_NAME 'vit-huge' is not known without weights: use one of vit-tiny-patch16-224, ": {"MODEL_NAME": "vit-huge"},
            "use one of segformer-b0, segformer-b1, segformer-b2, or give weights with their config.json: into AGENT_WEIGHTS_DIR (trainer-agent weights add)": {"MODEL_NAME": "r50", "TASK_TYPE": "semantic_segmentation"},
            "use one of clip-vit-base-patch32, clip-vit-base-patch16, clip-vit-tiny-patch16, or give": {"MODEL_NAME": "a/b", "TASK_TYPE": "zero_shot_classification"},
            "to weights/huggingface/b/ in the bucket, or as a zip at PRETRAINED_WEIGHT_URL": {"MODEL_NAME": "a/b"},
            "are of a model with code of its own (auto_map in their config.json), which is not run; use a model of transformers' own": {"MODEL_NAME": "", "PRETRAINED_WEIGHTS": self.with_code()},
            "IMAGE_SIZE 33 is not a multiple of the model's patch of 16; use 32": {"IMAGE_SIZE": 33},
            "zero_shot_classification needs a CLIP model": {"TASK_TYPE": "zero_shot_classification"},
        })
        self.assertFalse((self.root / "run").exists(), "the code beside the weights was run")
        self.train("native", EPOCHS=1)
        change = {"PRETRAINED_WEIGHTS": newest(self.root / "native/checkpoints"), "IMAGE_SIZE": 36}
        self.fail_with("IMAGE_SIZE 36 is not a multiple of the model's patch of 16; use 32", "huggingface/train.py", **self.job("refused", **change))
        diverged = "the training has diverged: after epoch 1 the weights of the model are NaN or infinite, first vit."
        run = self.fail_with(diverged, "huggingface/train.py", **self.job("refused", EPOCHS=1, LEARNING_RATE=1e30))
        self.assertIn(diverged, run.done["error_message"])


class ZeroShot(ClassifierTest):
    folder = "huggingface"
    model = "clip-vit-tiny-patch16"
    task = "zero_shot_classification"

    def test_a_cut_epoch_leaves_no_trace(self) -> None:
        self.assert_a_cut_epoch_is_trained_again("huggingface", 24 + 12, **self.job("unused", CHECKPOINT_FREQUENCY=0))

    def test_clip_is_evaluated_by_text_and_tuned(self) -> None:
        whole: Any = self.train("whole")
        self.assertEqual(whole.relay.calls[0].body["event_type"], "zero_shot_evaluated")
        self.assertEqual(whole.relay.calls[0].body["data"]["metrics"].keys() & {"epoch", "runtime", "samples_per_second", "steps_per_second", "model_preparation_time"}, set())
        self.assertLess(whole.relay.calls[0].body["data"]["metrics"]["accuracy"], whole.done["final_metrics"]["accuracy"])
        self.assert_learns(whole, "whole", epochs=3)
        self.assert_resumes_exactly(step(self.root / "whole", 2), whole, completed=2)
        best = self.root / "whole" / whole.done["checkpoint_path"]
        code = "import sys; from transformers import AutoModel, AutoConfig; c = AutoConfig.from_pretrained(sys.argv[1]); print(type(AutoModel.from_pretrained(sys.argv[1])).__name__, c.id2label[0], c.architectures)"
        found = warm.run(["-c", code, str(best)], environment(None), check=True).stdout
        self.assertEqual(found, "CLIPModel a circle ['CLIPModel']\n")
        self.assertLessEqual({"config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"}, {p.name for p in best.iterdir()})
        self.assert_predicts_and_exports(best, whole.done["final_metrics"]["accuracy"])
        run = self.train("tuned", EPOCHS=1, PRETRAINED_WEIGHTS=best, CONFIG_JSON=json.dumps({"config": {"freeze_backbone": True, "prompt": "a photo of a {} | a drawing of a {}"}}))
        loaded, evaluated = run.relay.of("event")
        self.assertEqual((loaded["event_type"], evaluated["event_type"]), ("weights_loaded", "zero_shot_evaluated"))
        self.assertEqual(evaluated["data"]["prompts"], ["a photo of a {}", "a drawing of a {}"])
        self.assertGreater(evaluated["data"]["metrics"]["accuracy"], 0.8)  # the text tower came with the weights


if __name__ == "__main__":
    unittest.main()
