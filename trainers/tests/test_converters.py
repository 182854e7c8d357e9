"""Graphs that some converter, or the interpreter of what it wrote, could not do."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from deploy_parts import picture, subject, toolbox
from process import TrainerTest
from torch import nn
from trainer_vision.deploy.formats import Precision
from trainer_vision.deploy.formats.choice import converter
from trainer_vision.deploy.program import program
from trainer_vision.deploy.subject import CLASSIFY, DETECT, STRETCH, Objects, Preprocess


class Grid(nn.Module):
    """A detector of one class: a box in each cell of 8 pixels, as sure as the cell is bright."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = nn.functional.avg_pool2d(images.mean(1, keepdim=True), 8).flatten(2)
        place = torch.cumsum(torch.ones_like(bright), 2)
        return torch.cat([4 * place, 4 * place, 0 * place + 6, 0 * place + 6, bright], 1)


class Converters(TrainerTest):
    def setUp(self) -> None:
        self.needs("onnx", "onnxruntime", "onnxscript")

    def test_what_classifiers_compute_is_known_to_the_interpreter_of_core_ml(self) -> None:
        """Poolings of ResNet-D, activations of MobileNet and their like."""
        with toolbox(self, "coreml"), tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            model = nn.Sequential(
                nn.Conv2d(3, 8, 3, 2), nn.Hardswish(), nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False), nn.LeakyReLU(0.1), nn.ZeroPad2d((1, 2, 0, 1)), nn.AvgPool2d(3, 2, 1),
                nn.ReLU6(), nn.Hardsigmoid(), nn.GELU(), nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                nn.LayerNorm(8, elementwise_affine=False), nn.Linear(8, 2),
            ).eval()
            made = program(subject(CLASSIFY, Preprocess(STRETCH, 31, 31, antialias=True), model=model), whole=True, pixels=False, post=True, batch=False, dtype="float32")
            kind = converter("coreml", made, Path(folder), 0, lambda text: None)
            kind.write(Path(folder) / "model.mlpackage", "{}", Precision())
            pixels = picture(50, 40).astype(np.float32)
            np.testing.assert_allclose(kind.load(Path(folder) / "model.mlpackage")(pixels)[0], made.graph(torch.from_numpy(pixels))[0].detach().numpy(), atol=1e-5)

    def test_a_detector_of_one_class(self) -> None:
        """tflite's converter has no maximum of one."""
        one = replace(subject(DETECT, Preprocess(STRETCH, 32, 32, antialias=True), Objects(0.2, 0.5), Grid().eval()), names=["a"])
        for name, suffix, whole in (("onnx", ".onnx", True), ("openvino", "", True), ("coreml", ".mlpackage", True), ("tflite", ".tflite", False)):
            with self.subTest(name), toolbox(self, name) if name != "onnx" else contextlib.nullcontext(), tempfile.TemporaryDirectory() as folder:
                made = program(one, whole=whole, pixels=not whole, post=True, batch=False, dtype="float32")
                kind, target = converter(name, made, Path(folder), 0, lambda text: None), Path(folder) / f"model{suffix}"
                kind.write(target, "{}", Precision())
                image = picture(32, 32).astype(np.float32)
                pixels = image if whole else image[None]
                boxes, scores, classes = (np.asarray(a) for a in kind.load(target)(pixels))
                for found, true in zip((boxes, scores, classes), made.graph(torch.from_numpy(pixels)), strict=True):
                    np.testing.assert_allclose(found, true.detach().numpy(), atol=1e-3)
                self.assertGreater(int((scores > 0).sum()), 4)
