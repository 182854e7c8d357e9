"""Parts of the timm trainer whose mistakes a training hides: each by itself, on a tiny model."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import tempfile
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import timm
import torch
from process import TRAINERS
from trainer_sdk import Job, JobError, check_options

# timm's name of a tensor → the one in ConvNeXt's original checkpoints. The first that fits is taken.
ORIGINAL = {"stem.": "downsample_layers.0.", ".downsample.": ".", ".blocks.": ".", "conv_dw": "dwconv", "mlp.fc": "pwconv", "head.fc.": "head.", "head.norm.": "norm."}


def part(name: str) -> ModuleType:
    """A module of the trainer; it is not on the path, where the trainers have modules of the same names."""
    spec = importlib.util.spec_from_file_location(f"timm_{name}", TRAINERS / "timm" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def options(**changes: object) -> dict[str, Any]:
    return check_options(changes, part("config_schema").schema())


def original(name: str) -> str:
    """ConvNeXt's authors count what makes the map smaller apart from the stages."""
    if ".downsample." in name:
        name = name.replace("stages.", "downsample_layers.")
    for ours, theirs in ORIGINAL.items():
        name = name.replace(ours, theirs)
    return name


class Parts(unittest.TestCase):
    def test_weights_in_their_authors_layout_are_taken_whole(self) -> None:
        """By timm's own filter: other names, and of ConvNeXt also other shapes. Only the head, of other classes, is fresh."""
        theirs = {name: torch.randn_like(value) for name, value in timm.create_model("test_convnext", num_classes=5).state_dict().items()}
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as said:
            path = Path(folder) / "published.pth"
            torch.save({"model": {original(name): value for name, value in theirs.items()}}, path)
            model = part("model").build_model("test_convnext", 3, 64, options(), path)
        head = {"head.fc.weight", "head.fc.bias"}
        self.assertLess(len(theirs.keys() & {original(name) for name in theirs}), 5)  # hardly a name is the same
        self.assertEqual([name for name, value in model.state_dict().items() if name not in head and not torch.equal(value, theirs[name])], [])
        self.assertIn(f"weights: {len(theirs) - 2} of {len(theirs)} tensors from published.pth; fresh: head.fc.bias, head.fc.weight\n", said.getvalue())

    def built(self, model: str, classes: int | list[str], size: int, content: object) -> tuple[torch.nn.Module, str]:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as said:
            path = Path(folder) / "w.pt"
            torch.save(content, path)
            return part("model").build_model(model, classes, size, options(), path), said.getvalue()

    def test_a_head_of_other_classes_is_made_anew(self) -> None:
        theirs = timm.create_model("test_vit", num_classes=3, img_size=32).state_dict()
        for names, reused in ((["red", "blue", "green"], True), (["blue", "green", "red"], False), (["a", "b", "c"], False)):
            with self.subTest(names):
                model, said = self.built("test_vit", names, 32, {"state_dict": theirs, "class_names": ["red", "blue", "green"]})
                self.assertEqual(torch.equal(model.head.weight, theirs["head.weight"]), reused)
                self.assertEqual("; fresh: head.bias, head.weight (its head is of the classes red, blue, green)\n" in said, not reused)
        model, _ = self.built("test_vit", ["a", "b", "c"], 32, theirs)  # nothing names its classes
        self.assertTrue(torch.equal(model.head.weight, theirs["head.weight"]))

    def test_a_unets_head_of_other_classes_is_made_anew(self) -> None:
        with mock.patch.dict(sys.modules, model=part("model")):
            unet = part("unet")
        theirs = unet.build_unet("unet-test_resnet", 3, options()).state_dict()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as said:
            path = Path(folder) / "w.pt"
            torch.save({"state_dict": theirs, "class_names": ["red", "blue", "green"]}, path)
            model = unet.build_unet("unet-test_resnet", ["blue", "green", "red"], options(), path)
        self.assertFalse(torch.equal(model.head.weight, theirs["head.weight"]))
        self.assertTrue(torch.equal(model.decoder[0][0].weight, theirs["decoder.0.0.weight"]))
        self.assertIn("; fresh: head.bias, head.weight (its head is of the classes red, blue, green)\n", said.getvalue())

    def test_weights_of_another_architecture_are_told_from_a_part_of_them(self) -> None:
        own = {name: value for name, value in timm.create_model("test_resnet", num_classes=3).state_dict().items() if not name.endswith("num_batches_tracked")}
        part_of = dict(list(own.items())[:20])
        for model, content, message in (
            ("test_resnet", timm.create_model("resnet18").state_dict(), rf"w.pt are not of test_resnet: \d+ of its {len(own)} tensors have other shapes, first .*Give weights of the same model"),
            ("test_resnet", part_of, rf"w.pt do not fit the model: {len(own) - 20 - 2} of its {len(own)} tensors are not in them"),
            ("test_vit", timm.create_model("test_resnet").state_dict(), "w.pt do not fit "),
            ("test_convnext", timm.create_model("test_vit").state_dict(), "w.pt do not fit "),
        ):
            with self.subTest(model), self.assertRaisesRegex(JobError, message):
                self.built(model, 3, 64, content)
        with self.assertRaisesRegex(JobError, "are not of resnet18: .* tensors have other shapes"):
            self.built("resnet18", 3, 64, timm.create_model("test_resnet").state_dict() | {"layer4.1.conv2.weight": torch.zeros(1)})
        refusing = mock.patch.object(timm, "create_model", side_effect=TypeError("no drop_path_rate"))
        with refusing, self.assertRaisesRegex(JobError, "^cannot build test_vit with .*: no drop_path_rate"):  # no fault of the weights
            self.built("test_vit", 3, 64, own)

    def test_a_position_embedding_of_another_size_is_said_to_be_interpolated(self) -> None:
        _, said = self.built("test_vit", 3, 64, timm.create_model("test_vit", img_size=32).state_dict())
        self.assertIn("; fresh: head.bias, head.weight; interpolated for the image size: pos_embed\n", said)

    def test_layers_have_their_share_of_the_rate_without_a_schedule_too(self) -> None:
        """What AdamW makes of equal gradients: a step of the rate itself, in the last layer. It is the same in every epoch."""
        recipe, chosen = part("recipe"), options(layer_decay=0.5, sched="none", weight_decay=0.0)
        model = timm.create_model("test_vit", num_classes=3)
        job = Job.load((), {"EPOCHS": "2", "LEARNING_RATE": "0.01"})
        optimizer = recipe.build_optimizer(model, job.learning_rate, chosen)
        schedule = recipe.build_schedule(optimizer, job, 2, chosen)
        layers = [model.patch_embed.proj.weight, *(block.attn.qkv.weight for block in model.blocks), model.head.weight]
        for update in range(4):
            before = [weight.detach().clone() for weight in layers]
            schedule.step_update(update)
            for parameter in model.parameters():
                parameter.grad = torch.ones_like(parameter)
            optimizer.step()
            steps = [float((old - weight.detach()).mean()) for old, weight in zip(before, layers, strict=True)]
            for step, layer in zip(steps, range(len(layers) - 1, -1, -1), strict=True):
                self.assertAlmostEqual(step, 0.01 * 0.5**layer, 5, (update, steps))


if __name__ == "__main__":
    unittest.main()
