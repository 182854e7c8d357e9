"""Parts of the timm trainer whose mistakes a training hides: each by itself, on a tiny model."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import tempfile
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

import timm
import torch
from process import TRAINERS
from trainer_sdk import Job, check_options

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
