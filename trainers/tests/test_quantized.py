"""What is said to be in eight bits is, and what is said to have stayed float has."""

from __future__ import annotations

import math
import re
import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from deploy_parts import picture, subject, toolbox
from process import TrainerTest
from torch import nn
from trainer_sdk.package import digest
from trainer_vision.deploy.calibrate import raised
from trainer_vision.deploy.formats import Precision as FileIn
from trainer_vision.deploy.formats.choice import converter
from trainer_vision.deploy.program import program
from trainer_vision.deploy.subject import CLASSIFY, STRETCH, Preprocess


class Precision(unittest.TestCase):
    def test_more_and_more_stays_float_and_never_everything(self) -> None:
        layers = [f"model.{i}" for i in range(16)]
        kept = list(raised(layers, ["model.head"]))
        self.assertEqual(kept[:2], [["model.head"], ["model.head", "model.0", "model.14", "model.15"]])
        self.assertEqual([len(parts) for parts in kept], [1, 4, 6, 10])
        self.assertEqual(list(raised([], ["model.head"])), [])
        self.assertEqual(list(raised(["model.first", "model.1", "model.2", "model.10.a"], ["model.10"])), [["model.10"], ["model.10", "model.first"], ["model.10", "model.first", "model.2"]])
        self.assertEqual(list(raised(["model.first", "model.last"], ["model.last"])), [["model.last"]])


class Network(nn.Module):
    """A classifier with a layer of each kind that holds weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.flat, self.last = nn.Conv2d(3, 16, 3, 2), nn.Linear(16, 64), nn.Linear(64, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.flat(self.first(images).relu().mean((2, 3))).relu())


class Quantized(TrainerTest):
    """What is said to be in eight bits is, and what is said to have stayed float has."""

    def setUp(self) -> None:
        self.needs("onnx", "onnxruntime", "onnxscript")

    def written(self, name: str, keep: Sequence[str], folder: Path) -> Path:
        torch.manual_seed(0)
        made = program(subject(CLASSIFY, Preprocess(STRETCH, 32, 32, antialias=True), model=Network().eval()), whole=True, pixels=False, post=True, batch=False)
        target = folder / "model"
        converter(name, made, folder, 0, lambda text: None).write(target, "{}", FileIn("dynamic", "int8", keep=keep))
        return target

    def test_onnx(self) -> None:
        import onnx

        for keep, large in (((), []), (("model.flat",), [(64, 16)])):
            with self.subTest(keep=keep), tempfile.TemporaryDirectory() as folder:
                model = onnx.load(self.written("onnx", keep, Path(folder)))
                floats = [tuple(sorted(tensor.dims, reverse=True)) for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1 and math.prod(tensor.dims) >= 128]
                self.assertEqual(floats, large)

    def test_what_tensorrt_reads_is_signed_and_around_zero(self) -> None:
        """TensorRT refuses uint8, other zero points and biases in int32. Here ONNX Runtime reads the file."""
        import onnx
        from trainer_vision.deploy.formats.onnx import Onnx

        torch.manual_seed(0)
        one = subject(CLASSIFY, Preprocess(STRETCH, 32, 32, antialias=True), model=Network().eval())
        made = program(one, whole=False, pixels=True, post=True, batch=False, dtype="float32")
        inputs = [np.random.default_rng(i).integers(0, 256, (1, 32, 32, 3)).astype(np.float32) for i in range(4)]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            writer = Onnx(made, Path(folder), signed=True)
            writer.write(file, "{}", FileIn("static", "int8", calibration=inputs))
            model = onnx.load(file)
            answer = writer.load(file)(inputs[0])[0]
        points = {name for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear") for name in node.input[2:]}
        zeros = [tensor for tensor in model.graph.initializer if tensor.name in points]
        self.assertTrue(zeros)
        self.assertEqual({(tensor.data_type, int(np.abs(onnx.numpy_helper.to_array(tensor)).max())) for tensor in zeros}, {(onnx.TensorProto.INT8, 0)})
        np.testing.assert_allclose(answer, made.graph(torch.from_numpy(inputs[0]))[0].detach().numpy(), atol=0.05)

    def test_openvinos_weights_behind_a_split_stay_float_and_are_named(self) -> None:
        """YOLO's attention begins with a convolution of 1 × 1 on one output of a split."""
        class Attention(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.qkv = nn.Conv2d(3, 64, 8, 8), nn.Conv2d(32, 64, 1)

            def forward(self, images: torch.Tensor) -> torch.Tensor:
                one, other = self.first(images).split((32, 32), 1)
                q, k, v = self.qkv(other).flatten(2).split((16, 16, 32), 1)
                return (one + (v @ (k.transpose(1, 2) @ q).softmax(1)).reshape(one.shape)).mean((2, 3))[:, :3]

        with toolbox(self, "openvino"), tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            made = program(subject(CLASSIFY, Preprocess(STRETCH, 32, 32, antialias=True), model=Attention().eval()), whole=False, pixels=True, post=True, batch=False, dtype="float32")
            kind, asked = converter("openvino", made, Path(folder), 0, lambda text: None), FileIn("dynamic", "int8")
            (kept,) = kind.unfit(asked)
            self.assertRegex(kept, r"^model\..*qkv$")
            kind.write(Path(folder) / "model", "{}", asked.keeping([kept]))
            pixels = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(np.float32)
            np.testing.assert_allclose(kind.load(Path(folder) / "model")(pixels)[0], made.graph(torch.from_numpy(pixels))[0].detach().numpy(), atol=0.02)

    def test_core_mls_integers_are_weights_alone(self) -> None:
        """A detector's table of cells is as large as its weights from 320 pixels on: in 255 steps its boxes would be off by pixels."""
        class Cells(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weigh, self.cells = nn.Conv2d(3, 32, 8, 8), nn.Buffer(torch.arange(1600.0)[None] + 0.4)

            def forward(self, images: torch.Tensor) -> torch.Tensor:
                return (self.cells + self.weigh(images).mean((1, 2, 3))[:, None])[:, :1600:200]

        with toolbox(self, "coreml"), tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            made = program(subject(CLASSIFY, Preprocess(STRETCH, 32, 32, antialias=True), model=Cells().eval()), whole=True, pixels=False, post=False, batch=False, dtype="float32")
            kind, pixels = converter("coreml", made, Path(folder), 0, lambda text: None), picture(50, 40).astype(np.float32)
            sizes = []
            for precision in (FileIn(), FileIn("dynamic", "int8")):
                kind.write(Path(folder) / "model.mlpackage", "{}", precision)
                np.testing.assert_allclose(kind.load(Path(folder) / "model.mlpackage")(pixels)[0], made.graph(torch.from_numpy(pixels))[0].detach().numpy(), atol=0.05)
                sizes.append(sum(file.stat().st_size for file in (Path(folder) / "model.mlpackage").rglob("weight.bin")))
            self.assertLess(sizes[1], sizes[0] - 32 * 3 * 64 * 2)  # the weights did become smaller
            kind.write(Path(folder) / "again.mlpackage", "{}", FileIn("dynamic", "int8"))
            self.assertEqual(digest(Path(folder) / "model.mlpackage"), digest(Path(folder) / "again.mlpackage"))  # the converter alone takes other names and another order each time

    def test_openvino(self) -> None:
        with toolbox(self, "openvino"):
            for keep, count in (((), 2), (("model.flat",), 1)):  # NNCF leaves so small a convolution alone
                with self.subTest(keep=keep), tempfile.TemporaryDirectory() as folder:
                    text = (self.written("openvino", keep, Path(folder)) / "model.xml").read_text()
                    shapes = re.findall(r'type="Const"[^>]*>\s*<data element_type="[iu]8" shape="([0-9, ]+)"', text)
                    self.assertEqual(sum(math.prod(map(int, shape.split(","))) >= 128 for shape in shapes), count, shapes)


if __name__ == "__main__":
    unittest.main()
