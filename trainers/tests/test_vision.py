"""The promises of trainer_vision: one reader of images, metrics that mean the same everywhere, weights that are accounted for."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import timm
import torch
from PIL import Image
from torch import nn
from trainer_sdk import Job, JobError, Platform, clean
from trainer_vision.attention import attention_of
from trainer_vision.choices import choose, say_from_scratch, say_resumed, say_stopped_early, warn_of_rate
from trainer_vision.classifier_explain import telling_layers
from trainer_vision.first_batch import check_first_batch
from trainer_vision.images import read_image
from trainer_vision.inference.explain.gradients import Attention, Differentiable, cam, rollout
from trainer_vision.inference.explain.target import Target
from trainer_vision.metrics import ClassifierResults
from trainer_vision.processes import cpus, keep_memory
from trainer_vision.weights import report_weights


class Processes(unittest.TestCase):
    def test_a_training_of_two_ends_again_and_again(self) -> None:
        script = str(Path(__file__).with_name("leaving.py"))
        run = subprocess.run([sys.executable, script, "400"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        self.assertEqual(run.returncode, 0, run.stdout[-5000:])


class Processors(unittest.TestCase):
    def test_a_containers_quota_bounds_them(self) -> None:
        with tempfile.TemporaryDirectory() as name, mock.patch("os.sched_getaffinity", lambda _: set(range(8)), create=True):
            root = Path(name)
            self.assertEqual(cpus(root), 8)
            for text, want in (("max 100000\n", 8), ("150000 100000\n", 2), ("1000 100000\n", 1), ("9900000 100000\n", 8), ("nonsense", 8)):
                (root / "cpu.max").write_text(text)
                self.assertEqual(cpus(root), want, text)
            (root / "cpu.max").unlink()
            (root / "cpu").mkdir()
            (root / "cpu/cpu.cfs_period_us").write_text("100000\n")
            for text, want in (("-1\n", 8), ("400000\n", 4)):
                (root / "cpu/cpu.cfs_quota_us").write_text(text)
                self.assertEqual(cpus(root), want, text)


    def test_an_older_libc_keeps_what_it_can(self) -> None:
        """glibc before 2.35 refuses a large threshold, and with the other limit alone it would adapt no more."""
        large, small, trim = (-3, 1 << 30), (-3, 32 << 20), (-1, 1 << 30)
        for taken, calls in (([large, trim], [large, trim]), ([small, trim], [large, small, trim]), ([], [large, small])):
            libc = mock.Mock()
            libc.mallopt.side_effect = lambda *limit, taken=taken: int(limit in taken)
            with mock.patch("ctypes.CDLL", return_value=libc):
                keep_memory()
            self.assertEqual([call.args for call in libc.mallopt.call_args_list], calls)
        with mock.patch("ctypes.CDLL", return_value=object()):  # musl, macOS
            keep_memory()


class Reader(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.said = io.StringIO()

    def read(self, image: Image.Image, name: str = "image.png", **how: object) -> np.ndarray:
        image.save(self.folder / name, **how)
        with contextlib.redirect_stdout(self.said):
            found = read_image(self.folder / name)
        self.assertEqual(found.mode, "RGB")
        return np.asarray(found)

    def test_16_bits_are_scaled(self) -> None:
        ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
        for name in ("ramp.png", "ramp.tif"):
            found = self.read(Image.fromarray(ramp), name)
            self.assertTrue((found == (ramp >> 8)[..., None]).all(), name)  # neither all white nor all black

    def test_12_bits_in_a_file_of_16_are_nearly_black_which_is_said(self) -> None:
        for brightest, said in ((4095, True), (4096, False)):
            with mock.patch("trainer_vision.images._said", set()):
                self.assertEqual(self.read(Image.fromarray(np.full((4, 4), brightest, np.uint16))).max(), brightest >> 8)
            self.assertEqual(f"Its brightest pixel is {brightest} of 65535, so that it becomes nearly black" in self.said.getvalue(), said)

    def test_what_has_no_agreed_range_is_refused(self) -> None:
        for pixels, kind in ((np.ones((4, 4), np.float32), "floating-point"), (np.ones((4, 4), np.int32), "32-bit")):
            with self.assertRaisesRegex(JobError, rf"image.tif has {kind} pixels.*convert the dataset's images"):
                self.read(Image.fromarray(pixels), "image.tif")

    def test_transparency_is_dropped_and_said(self) -> None:
        pixels = np.full((4, 4, 4), (200, 100, 50, 10), np.uint8)
        self.assertEqual(self.read(Image.fromarray(pixels)).reshape(-1, 3)[0].tolist(), [200, 100, 50])
        palette = Image.new("P", (4, 4), 1)
        palette.putpalette([0, 0, 0, 200, 100, 50])
        self.assertEqual(self.read(palette, "palette.png", transparency=1).reshape(-1, 3)[0].tolist(), [200, 100, 50])
        self.assertIn("images have transparency", self.said.getvalue())
        self.assertEqual(self.said.getvalue().count("transparency"), 1)

    def test_what_a_decoder_raises_names_the_image(self) -> None:
        exif = Image.Exif()
        exif[0x0112], exif[0x010E], exif[0x8769] = 6, "desc", {0x829A: (1, 3)}
        out = io.BytesIO()
        Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif)
        broken = bytearray(out.getvalue())
        broken[broken.index(b"Exif") + 19] = 11  # the description is a number, which Pillow cannot write again
        (self.folder / "broken.jpg").write_bytes(broken)
        with self.assertRaisesRegex(JobError, "broken.jpg cannot be read"):
            read_image(self.folder / "broken.jpg")

    def test_grey_palettes_and_cmyk_are_read(self) -> None:
        for mode in ("1", "L", "P", "CMYK", "YCbCr"):
            with self.subTest(mode):
                self.assertEqual(self.read(Image.new("RGB", (4, 4), "white").convert(mode), "image.tif").min(), 255)

    def test_exif_rotation_is_applied(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # a camera held on its side
        self.assertEqual(self.read(Image.new("RGB", (8, 4)), "turned.jpg", exif=exif).shape, (8, 4, 3))

    def test_what_is_no_image_ends_the_job(self) -> None:
        (self.folder / "image.png").write_bytes(b"not an image")
        with self.assertRaisesRegex(JobError, "image.png cannot be read"):
            read_image(self.folder / "image.png")


class Gradients(unittest.TestCase):
    def test_a_map_whose_channels_come_last_gives_the_same_heat(self) -> None:
        torch.manual_seed(0)

        class Turned(nn.Module):  # as Swin has it
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x.permute(0, 2, 3, 1)

        module = nn.Sequential(nn.Conv2d(3, 6, 2, 2), Turned(), nn.LayerNorm(6), nn.Flatten(), nn.Linear(96, 2))
        image, target = torch.rand(3, 8, 8), Target(1, 0.5)
        self.assertEqual(telling_layers(module, image[None]), ["2"])
        model = Differentiable(module, ["1"], lambda x, t, _: module(x[None])[0, t.index], lambda heat, _: heat)
        first, last = (cam(model, image, target, (8, 8), [name]) for name in ("0", "1"))
        self.assertEqual(last.shape, (4, 4))
        np.testing.assert_allclose(first, last, rtol=1e-5)

    def test_attention_is_laid_out_by_the_patches_whatever_tokens_come_first(self) -> None:
        """Of 2 x 2 patches, a class token and 4 registers: nine tokens, which are not a square of 3."""
        torch.manual_seed(0)
        vit = timm.models.VisionTransformer(img_size=32, embed_dim=16, depth=2, num_heads=2, reg_tokens=4, num_classes=2).eval()
        attention = attention_of(vit, vit, 32, torch.device("cpu"))
        assert isinstance(attention, Attention), attention
        model = Differentiable(vit, [], lambda *_: torch.zeros(()), lambda heat, _: heat, attention=attention)
        self.assertEqual(rollout(model, torch.rand(3, 32, 32), (32, 32)).shape, (2, 2))
        self.assertEqual([layer.shape for layer in attention.read(torch.rand(3, 32, 32))], [(2, 9, 9)] * 2)


class Metrics(unittest.TestCase):
    def test_the_curve_is_exact_where_recall_is_a_decimal(self) -> None:
        """At recall k/100 the grid's own 0.07 must not be taken for more than 7/100."""
        truth = np.array([0] * 100 + [1] * 100)
        scores = np.linspace(0.99, 0.5, 200)
        order = np.ravel(np.column_stack([np.arange(100), np.arange(100, 200)]))  # a hit, a miss, a hit, …
        ranked = np.empty(200)
        ranked[order] = scores
        found = ClassifierResults(["a", "b"], [str(i) for i in range(200)], truth, np.column_stack([ranked, 1 - ranked]))
        expected = [1.0] + [round(max(j / (2 * j - 1) for j in range(k, 101)), 5) for k in range(1, 101)]
        self.assertEqual(found.pr_curves()["a"]["precision"], expected)

    def test_a_matrix_that_is_too_large_does_not_take_the_metrics_with_it(self) -> None:
        for classes, there in ((1000, True), (1002, False)):
            found = ClassifierResults([str(i) for i in range(classes)], ["0", "1"], np.array([0, 1]), np.eye(2, classes)).validation()
            self.assertEqual(found["confusion_matrix"] is not None, there)
            self.assertLess(len(json.dumps(clean(found))), 8 << 20)

    def test_cross_entropy_is_that_of_the_true_class(self) -> None:
        found = ClassifierResults(["a", "b"], ["1", "2"], np.array([0, 1]), np.array([[0.5, 0.5], [0.75, 0.25]]))
        self.assertAlmostEqual(found.cross_entropy(), (np.log(2) + np.log(4)) / 2)


class Weights(unittest.TestCase):
    def report(self, *fresh: str) -> str:
        model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 2))
        with contextlib.redirect_stdout(io.StringIO()):
            return report_weights(model, Path("w.pt"), fresh, ["1."], ["old.bias"] if fresh else [])

    def test_every_fresh_tensor_is_named_and_counted(self) -> None:
        self.assertEqual(self.report(), "weights: 4 of 4 tensors from w.pt")
        self.assertEqual(self.report("1.weight", "1.bias"), "weights: 2 of 4 tensors from w.pt; fresh: 1.bias, 1.weight; not used: old.bias")

    def test_the_platform_hears_what_the_log_says(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            report_weights(nn.Linear(1, 2), Path("w.pt"), ["bias"], ["bias"], platform=Platform(Job.load((), {})))
        self.assertIn('"event_type": "weights_loaded", "message": "Weights: 1 of 2 tensors from w.pt; fresh: bias"', out.getvalue())

    def test_only_the_head_may_be_fresh(self) -> None:
        with self.assertRaisesRegex(JobError, r"1 of its 4 tensors are not in them \(0.bias\), and it has no place for 1 of theirs \(old.bias\)"):
            self.report("0.bias", "1.bias")


class FirstBatch(unittest.TestCase):
    def test_what_it_would_fail_with_is_said_and_leaves_no_trace(self) -> None:
        model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4)).eval()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        check_first_batch(model, 2, 32)
        with self.assertRaisesRegex(JobError, r"batches of 1 images of 32 px: .*set BATCH_SIZE to 2 or more"):
            check_first_batch(model, 1, 32)
        with self.assertRaisesRegex(JobError, r"batches of 2 images of 2 px: .*set another IMAGE_SIZE"):
            check_first_batch(model, 2, 2)
        self.assertFalse(model.training)
        self.assertTrue(all((tensor == before[name]).all() for name, tensor in model.state_dict().items()))


class Choices(unittest.TestCase):
    def test_only_what_nobody_set_is_chosen(self) -> None:
        job = Job.load((), {"IMAGE_SIZE": "96", "CONFIG_JSON": '{"batch_size": 3}'})
        self.assertEqual(job.unset, {"learning_rate"})
        with contextlib.redirect_stdout(io.StringIO()) as out:
            chosen = choose(job, Platform(job), "m", image_size=224, learning_rate=0.01, batch_size=None)
        self.assertEqual((chosen.image_size, chosen.learning_rate, chosen.batch_size, chosen.unset), (96, 0.01, 3, frozenset()))
        self.assertIn("not set, chosen for m: LEARNING_RATE=0.01", out.getvalue())
        self.assertIn('"event_type": "settings_chosen"', out.getvalue())

    def test_a_training_from_scratch_is_said_unless_it_was_asked_for(self) -> None:
        for env, said in (({}, True), ({"PRETRAINED": "false"}, False), ({"PRETRAINED_WEIGHTS": "/w.pt"}, False), ({"RESUME_CHECKPOINT": "/l.pt"}, False)):
            with self.subTest(env), contextlib.redirect_stdout(io.StringIO()) as out:
                job = Job.load((), {"MODEL_NAME": "vit", **env})
                say_from_scratch(job, Platform(job))
            self.assertEqual('"event_type": "training_from_scratch"' in out.getvalue(), said)

    def test_a_run_that_is_finished_is_not_resumed(self) -> None:
        job = Job.load((), {"EPOCHS": "3"})
        with contextlib.redirect_stdout(io.StringIO()) as out:
            for epoch in (2, 3, 5):
                say_resumed(job, epoch)
        finished = "[trainer] the run is finished already with {} epochs: EPOCHS=3 leaves nothing to train\n"
        self.assertEqual(out.getvalue(), "[trainer] resumed after epoch 2 of 3\n" + finished.format(3) + finished.format(5))

    def test_of_several_processes_one_says_it(self) -> None:
        job = Job.load((), {"EPOCHS": "3"})
        for rank, lines in (("", 1), ("0", 1), ("1", 0)):
            with mock.patch.dict(os.environ, {"RANK": rank}), contextlib.redirect_stdout(io.StringIO()) as out:
                say_stopped_early(job, Platform(job, rank=1), 2, 1, 1)
            self.assertEqual(out.getvalue().count("the training ends early, after epoch 2 of 3"), lines)

    def test_an_absurd_rate_is_said(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            for rate in ("0.0004", "1"):
                job = Job.load((), {"LEARNING_RATE": rate, "MODEL_NAME": "vit"})
                warn_of_rate(job, Platform(job, rank=1), 0.0005)
        self.assertEqual(out.getvalue(), "[trainer] warning: LEARNING_RATE 1 is far from the 0.0005 that suits vit\n")


if __name__ == "__main__":
    unittest.main()
