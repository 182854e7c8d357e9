"""The graph of exports: each part against the library that it replaces."""

from __future__ import annotations

import math
import unittest
from pathlib import Path

import numpy as np
import torch
import torchvision
from deploy_parts import Corners, described, picture, subject
from PIL import Image
from torch import nn
from torchvision.transforms import InterpolationMode
from trainer_sdk import Job
from trainer_sdk.export import ExportRequest
from trainer_vision.deploy import graph, metadata, parity
from trainer_vision.deploy.program import program
from trainer_vision.deploy.reader import Reader
from trainer_vision.deploy.subject import DETECT, LETTERBOX, POSE, SEGMENT, SHORTEST_CROP, STRETCH, Objects, Preprocess
from trainer_vision.inference.predictor import finite
from trainer_vision.masks import eval_transform
from trainer_vision.segmenter import Segmenter, predictor

SIZES = ((96, 96), (97, 33), (640, 480), (31, 200), (1, 1000), (1000, 1))


class Suppression(unittest.TestCase):
    def test_it_is_greedy_suppression_of_every_class(self) -> None:
        rng = np.random.default_rng(1)
        for case in range(40):
            count = int(rng.integers(1, 400))
            centres = rng.uniform(20, 300, (max(1, count // 12), 2))[rng.integers(0, max(1, count // 12), count)] + rng.normal(0, 4, (count, 2))
            raw = np.concatenate([centres, rng.uniform(20, 60, (count, 2)), rng.uniform(0, 1, (count, 2))], 1).T.astype(np.float32)
            _boxes, scores, classes, _ = graph.Suppress(2, Objects(0.25, 0.5))(torch.from_numpy(raw)[None])
            ours = {(round(float(s), 6), int(c)) for s, c in zip(scores[0], classes[0], strict=True) if s > 0}
            best, index = torch.from_numpy(raw[4:]).max(0)
            sure = best > 0.25
            corners = torchvision.ops.box_convert(torch.from_numpy(raw[:4].T), "cxcywh", "xyxy")[sure]
            kept = torchvision.ops.batched_nms(corners, best[sure], index[sure], 0.5)
            self.assertEqual(ours, {(round(float(best[sure][i]), 6), int(index[sure][i])) for i in kept}, case)
            self.assertTrue(bool((scores[0][:-1] >= scores[0][1:]).all()))

    def test_an_end_to_end_head_is_only_cut(self) -> None:
        raw = torch.tensor([[[1.0, 2, 3, 4, 0.9, 1], [1, 2, 3, 4, 0.2, 0]]])
        _, scores, classes, _ = graph.Suppress(2, Objects(0.25, 0.5, end_to_end=True))(raw)
        np.testing.assert_allclose(scores.numpy(), [[0.9, 0]], atol=1e-6)
        self.assertEqual(classes.tolist(), [[1, 0]])


class Resizing(unittest.TestCase):
    def test_what_is_cropped_or_squeezed_is_as_pillow_has_it(self) -> None:
        for mode, kernel, short in ((STRETCH, "bilinear", None), (SHORTEST_CROP, "bicubic", 80), (SHORTEST_CROP, "bilinear", 64)):
            how = Preprocess(mode, 64, 64, short, kernel, True)
            reader = Reader(described(how, False))
            for height, width in SIZES:
                pixels = picture(height, width)
                ours = graph.Resample(how)(torch.from_numpy(pixels))[0].numpy()
                theirs = reader.prepare(Image.fromarray(pixels))[0] * 255
                self.assertLessEqual(float(np.abs(ours - theirs).max()), 1.01, (mode, kernel, height, width))
                self.assertLess(float(np.abs(ours - theirs).mean()), 0.1, (mode, kernel, height, width))  # Pillow goes down first where that is less work

    def test_images_for_the_calibration_are_small_and_the_same_to_the_model(self) -> None:
        """A graph that takes any size leaves one alone that has its size already."""
        for how in (Preprocess(LETTERBOX, 64, 96), Preprocess(STRETCH, 64, 96, antialias=True), Preprocess(SHORTEST_CROP, 64, 64, 80, "bicubic", True)):
            reader, image = Reader(described(how, True)), Image.fromarray(picture(700, 500))
            resize = graph.Letterbox(how) if how.mode == LETTERBOX else graph.Resample(how)
            small = reader.smaller(image)
            self.assertLess(small.size, 3 * 120 * 120)
            ours, theirs = (made[0] if isinstance(made, tuple) else made for made in (resize(torch.from_numpy(np.asarray(one))) for one in (small, image)))
            self.assertLess(float((ours - theirs).abs().mean()), 0.1, how.mode)
            self.assertLessEqual(float((ours - theirs).abs().max()), 1.01, how.mode)

    def test_a_letterbox_in_the_graph_is_the_one_of_the_metadata(self) -> None:
        how = Preprocess(LETTERBOX, 96, 128)
        for height, width in SIZES:
            pixels = picture(height, width)
            ours, scale, offset, size = graph.Letterbox(how)(torch.from_numpy(pixels))
            theirs = Reader(described(how, False)).prepare(Image.fromarray(pixels))[0] * 255
            self.assertLessEqual(float(np.abs(ours[0].numpy() - theirs).max()), 1.01, (height, width))
            self.assertEqual(size.tolist(), [width, height])
            self.assertTrue(bool((offset + size * scale <= torch.tensor([128.0, 96.0]) + 1e-3).all()))


class Places(unittest.TestCase):
    def test_what_is_found_comes_back_in_pixels_of_the_image(self) -> None:
        """By the graph, and by who reads the metadata of one that leaves it to him."""
        kinds = {DETECT: ("", Objects(0.25, 0.5)), POSE: ("points", Objects(0.25, 0.5, keypoints=(2, 3))), SEGMENT: ("mask", Objects(0.25, 0.5, coefficients=1))}
        request = ExportRequest(Path(__file__), "onnx", Path("/nowhere"), None, 0, True, True, "none", "int8", False, 0.02)
        for head, (extra, how) in kinds.items():
            one = subject(head, Preprocess(LETTERBOX, 96, 96), how, Corners(extra))
            for whole, post in ((True, True), (False, True), (False, False), (True, False)):
                made = program(one, whole=whole, pixels=False, post=post, batch=False)
                reader = Reader(metadata.describe(Job.load((), {}), request, one, made, metadata.outputs(made, made.answer()), {}, "float32"))
                for height, width in ((96, 96), (97, 33), (31, 200), (480, 640)):
                    with self.subTest(head, whole=whole, post=post, size=(height, width)):
                        image = Image.new("RGB", (width, height), "white")
                        found = reader.decode([out.numpy() for out in made.graph(torch.from_numpy(reader.prepare(image)))], image.size)
                        np.testing.assert_allclose(found.boxes, [[0, 0, width, height]], atol=1e-3)
                        self.assertEqual((found.scores.tolist(), found.classes.tolist()), ([1.0], [0]))
                        if head == POSE:
                            np.testing.assert_allclose(found.keypoints, [[[0, 0, 0.9], [width, height, 0.8]]], atol=1e-3)
                        if head == SEGMENT:
                            low, high = found.polygons[0].min(0), found.polygons[0].max(0)
                            np.testing.assert_allclose([*low, *high], [0, 0, width, height], atol=3 * max(width, height) / 96)


class Masks(unittest.TestCase):
    def test_probabilities_are_enlarged_to_the_same_mask_as_logits(self) -> None:
        logits = np.random.default_rng(0).normal(0, 4, (5, 12, 12)).astype(np.float32)
        powers = np.exp(logits)
        head = {**described(Preprocess(STRETCH, 12, 12, antialias=True), True), "model": {"task": "semantic"}}
        masks = [Reader({**head, "outputs": [{"kind": kind}]}).decode([scores], (50, 40)).classes for kind, scores in (("logits", logits), ("probabilities", powers / powers.sum(0)))]
        self.assertEqual(masks[0].shape, (40, 50))
        self.assertGreater(float((masks[0] == masks[1]).mean()), 0.9995)

    def test_a_mask_of_what_is_no_number_is_none(self) -> None:
        """The largest of NaN is the first class, which most pixels may have."""
        head = {**described(Preprocess(STRETCH, 12, 12, antialias=True), True), "model": {"task": "semantic"}}
        for kind in ("logits", "probabilities"):
            whole, broken = (Reader({**head, "outputs": [{"kind": kind}]}).decode([np.full((2, 12, 12), value)], (50, 40)) for value in (0.5, math.nan))
            self.assertEqual((finite(whole), finite(broken)), (True, False))
            compared = [parity.compare([whole], [found], [Image.new("RGB", (50, 40))], 12, 0, 0) for found in (whole, broken)]
            self.assertEqual([(one.pixel_agreement, one.nonsense()) for one in compared], [(1.0, None), (1.0, "it answers with NaN")])
        how = Preprocess(STRETCH, 12, 12, antialias=True)
        model = predictor(Segmenter(nn.Identity(), ["a", "b", "c"], eval_transform(12, [0.0] * 3, [1.0] * 3, InterpolationMode.BILINEAR), how, "test", True), Job.load((), {}))
        images = torch.rand(2, 3, 12, 12)
        images[1, 0, 0, 0] = math.nan
        self.assertEqual([finite(one) for one in model.decode(images, [(50, 40)] * 2, False)], [True, False])


if __name__ == "__main__":
    unittest.main()
