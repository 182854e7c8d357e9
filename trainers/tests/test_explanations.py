"""Explanations: of a box and of a class, in numbers, pictures and words; and what is refused."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import unittest
from typing import Any
from unittest import mock

import numpy as np
from inference_jobs import NAMES, InferenceTest, objects
from PIL import Image
from relay import Call, Relay
from trainer_sdk import JobError, Platform
from trainer_sdk.inference import Progress
from trainer_vision.inference import running
from trainer_vision.inference.explain.explainer import Explainer
from trainer_vision.inference.explain.heat import deletion, normal, statistics
from trainer_vision.inference.explain.perturb import perturb
from trainer_vision.inference.explain.words import template, third


class Explanations(InferenceTest):
    def explain(self, answer: bytes | None, status: int = 200, **env: str) -> tuple[list[dict[str, Any]], list[Call]]:
        """An inference job whose explanations are put into words by a server that answers so."""
        relay = Relay(lambda _call: (status, answer or b""))
        self.addCleanup(relay.close)
        names = {"ENABLE_XAI": "true", "XAI_METHOD": "lime", "ENABLE_LLM_EXPLANATION": "true", "OPENAI_BASE_URL": relay.url + "/v1", "OPENAI_API_KEY": "loopback", **env}
        with mock.patch.dict(os.environ, names):
            found = self.run_job(self.lines(self.images(1)))
        return found[0]["xai"], relay.calls

    def test_a_box_is_explained_in_numbers_pictures_and_words(self) -> None:
        said = {"summary": "A cat.", "key_factors": ["ears", 7], "confidence_reasoning": "Sure.", "alternative_considerations": "None."}
        (found,), (call,) = self.explain(json.dumps({"choices": [{"message": {"content": json.dumps(said)}}]}).encode())
        self.assertEqual({k: found["explanation"][k] for k in ("summary", "key_factors", "model")}, {"summary": "A cat.", "key_factors": ["ears"], "model": "gpt-4o-mini"})
        self.assertEqual((call.path, call.headers["Authorization"]), ("/v1/chat/completions", "Bearer loopback"))
        facts = json.loads(call.body["messages"][1]["content"])
        self.assertEqual((facts["class"], facts["method"]), (NAMES[0], "lime"))
        self.assertNotIn("image_url", json.dumps(call.body))
        self.assertEqual(found["bbox"], [1, 2, 37, 26])
        self.assertLessEqual({"max_activation", "mean_activation", "top_regions"}, set(found["lime"]))
        self.assertLessEqual({"deletion", "heat_inside_box"}, set(found["faithfulness"]))
        for name in ("heatmap_path", "overlay_path"):
            with Image.open(self.root / "out" / found[name]) as image:
                self.assertEqual(image.size, (40, 30))

    def test_an_image_that_cannot_be_explained_keeps_its_predictions(self) -> None:
        lines = self.lines(self.images(3))

        def explain(_explainer: Explainer, item: Any, *_: object) -> list[dict[str, Any]]:
            if item.sample.name.endswith(("000.png", broken)):
                raise ValueError("singular")
            return [{"method": "lime"}]

        with mock.patch.dict(os.environ, {"ENABLE_XAI": "true", "XAI_METHOD": "lime"}), mock.patch.object(Explainer, "explain", explain):
            broken = "none"
            found = self.run_job(lines)
            broken = ".png"
            with self.assertRaisesRegex(JobError, "nothing could be explained: .*000.png cannot be explained: ValueError: singular"):
                self.run_job(self.lines(self.images(2)))
        self.assertEqual([r.get("xai_error") for r in found], ["s3://b/in/000.png cannot be explained: ValueError: singular", None, None])
        self.assertEqual([len(r["predictions"]["boxes"]) for r in found], [1, 1, 1])

    def test_a_full_disk_fails_a_job_that_explains(self) -> None:
        full = mock.patch.object(Explainer, "explain", side_effect=OSError(28, "No space left on device"))
        with mock.patch.dict(os.environ, {"ENABLE_XAI": "true", "XAI_METHOD": "lime"}), full, self.assertRaisesRegex(OSError, "No space left"):
            self.run_job(self.lines(self.images(1)))

    def test_every_explained_image_is_told_of_where_it_takes_seconds(self) -> None:
        now = 0.0

        def explain(*_: object) -> list[dict[str, Any]]:
            nonlocal now
            now += 6
            return [{"method": "lime"}]

        slow = functools.partial(Progress, clock=lambda: now)
        with mock.patch.dict(os.environ, {"ENABLE_XAI": "true", "XAI_METHOD": "lime"}), mock.patch.object(Explainer, "explain", explain), mock.patch.object(running, "Progress", slow):
            self.run_job(self.lines(self.images(4)))
        self.assertEqual([line for line in self.out.splitlines() if " of 4 images" in line], [f"[trainer] {i} of 4 images" for i in range(1, 5)])

    def test_an_answer_that_is_no_number_to_a_part_of_the_picture_explains_nothing(self) -> None:
        whole = self.predictor()
        asked = 0

        def decode(raw: np.ndarray, sizes: list[tuple[int, int]], measured: bool) -> Any:
            nonlocal asked
            asked += len(sizes)
            return whole.decode(raw, sizes, measured) if asked < 40 else [objects((1, 2, 3, 4, 0, np.nan)) for _ in sizes]

        broken = dataclasses.replace(whole, decode=decode)
        said = "nothing could be explained: .*the model's answer to a part of the picture is NaN or infinite"
        with mock.patch.dict(os.environ, {"ENABLE_XAI": "true", "XAI_METHOD": "lime"}), mock.patch.object(self, "predictor", lambda: broken), self.assertRaisesRegex(JobError, said):
            self.run_job(self.lines(self.images(1)))

    def test_what_an_earlier_life_explained_counts(self) -> None:
        lives = 0

        def explain(_explainer: Explainer, item: Any, *_: object) -> list[dict[str, Any]]:
            if item.sample.name.endswith("008.png"):  # the first of the second part
                if lives == 0:
                    raise MemoryError
                raise ValueError("singular")
            return [{"method": "lime"}]

        lines = self.lines(self.images(9))
        with mock.patch.dict(os.environ, {"ENABLE_XAI": "true", "XAI_METHOD": "lime"}), mock.patch.object(Explainer, "explain", explain):
            with self.assertRaises(MemoryError):
                self.run_job(lines)
            lives = 1
            found = self.run_job(lines)
        self.assertEqual([len(r["xai"]) for r in found], [1] * 8 + [0])

    def test_a_job_that_explains_stops_after_the_image_at_hand(self) -> None:
        explained = 0

        def explain(*_: object) -> list[dict[str, Any]]:
            nonlocal explained
            explained += 1
            return []

        lines = self.lines(self.images(20))
        env = {"ENABLE_XAI": "true", "XAI_METHOD": "lime"}
        asked = property(lambda _: explained == 10, lambda *_: None)
        with mock.patch.dict(os.environ, env), mock.patch.object(Explainer, "explain", explain), mock.patch.object(Platform, "stop_requested", asked, create=True):
            with self.assertRaises(FileNotFoundError):  # it has no results yet
                self.run_job(lines)
            self.assertEqual((explained, len(list((self.root / "out/parts").iterdir()))), (10, 1))
            explained += 1  # and is started again
            self.assertEqual(len(self.run_job(lines)), 20)
        self.assertEqual(explained, 11 + 20 - 8)  # the first part is not done again

    def test_words_never_fail_a_job(self) -> None:
        for answer, status in ((b'{"error": {"message": "the budget is spent"}}', 403), (b"no JSON", 200), (b'{"choices": [{"message": {"content": null, "refusal": "no"}}]}', 200), (b"[" * 100_000, 200)):
            (found,), _ = self.explain(answer, status)
            self.assertEqual(found["explanation"]["model"], "none")
            self.assertIn("고양이", found["explanation"]["summary"])

    def test_words_are_text_and_nothing_that_is_obeyed(self) -> None:
        evil = "<b>\x1b[31m고\x00양이\u202e\nok\ud800" + "x" * 9000
        content = json.dumps({"summary": evil, "key_factors": [evil, 1, None], "confidence_reasoning": evil, "alternative_considerations": ""})
        (found,), _ = self.explain(json.dumps({"choices": [{"message": {"content": content}}]}).encode())
        words = found["explanation"]
        self.assertTrue(words["summary"].startswith("<b>[31m고양이\nok" + "x"))  # whoever shows it escapes it, as any text
        self.assertEqual(words["key_factors"], [words["summary"]])
        self.assertEqual(len(words["confidence_reasoning"]), 2000)

    def test_words_alone_explain_nothing_and_that_is_said(self) -> None:
        with mock.patch.dict(os.environ, {"ENABLE_LLM_EXPLANATION": "true"}):
            self.run_job(self.lines(self.images(1)))
        self.assertIn("without ENABLE_XAI there are none", self.out)

    def test_what_cannot_be_explained_is_refused_with_the_reason(self) -> None:
        for message, env in (
            ("XAI_METHOD gradcam needs the model's gradients", {"XAI_METHOD": "gradcam"}), ("XAI_METHOD 'smooth' is not one of", {"XAI_METHOD": "smooth"}),
            ("XAI_TARGET_LAYERS is no JSON list", {"XAI_TARGET_LAYERS": "model.22"}),
        ):
            with self.assertRaisesRegex(JobError, message):
                self.explain(None, **env)
        masks = dataclasses.replace(self.predictor(), task="semantic_segmentation")
        with mock.patch.object(self, "predictor", lambda: masks), self.assertRaisesRegex(JobError, "masks of classes are not explained"):
            self.explain(None)
        self.assertEqual(self.batches, [])


class Perturbation(unittest.TestCase):
    """A model that only looks at the upper left quarter."""

    def test_lime_and_shap_find_where_the_model_looks(self) -> None:
        rng = np.random.default_rng(1)
        picture = rng.integers(60, 120, (48, 64, 3), dtype=np.uint8)
        picture[:24, :32] = 250

        def score(pictures: Any) -> np.ndarray:
            return np.array([p[:24, :32].mean() / 255 for p in pictures])

        for method in ("lime", "shap"):
            heat = normal(perturb(picture, score, method))
            self.assertGreater(heat[:24, :32].sum() / heat.sum(), 0.8, method)
            self.assertLess(deletion(picture, heat, score), deletion(picture, 1 - heat, score), method)
            (hottest, *_) = statistics(heat)["top_regions"]
            self.assertTrue(hottest["x"] + hottest["w"] <= 34 and hottest["y"] + hottest["h"] <= 26, hottest)


class Words(unittest.TestCase):
    def test_the_template_is_english_wherever_the_heat_lies(self) -> None:
        facts = {"class": "dog", "confidence": 0.8, "deletion": 0.5}
        for x, y, place in ((50, 95, "the lower part"), (5, 50, "the left part"), (95, 5, "the upper right part"), (50, 50, "the centre")):
            with self.subTest(place=place):
                said = template({**facts, "regions": [third(x, y, (100, 100))]})
                self.assertIn(f"looked mostly at {place} of the picture.", said["summary"])
                self.assertEqual(said["key_factors"], [f"Heat at {place}"])
        self.assertIn("looked mostly at no single place of the picture.", template({**facts, "regions": []})["summary"])


if __name__ == "__main__":
    unittest.main()
