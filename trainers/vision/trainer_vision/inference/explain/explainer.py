"""The explanations of a job: one a picture of a classifier, one a box of a detector, as files below xai/ and numbers in the record."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from trainer_sdk import JobError, Platform

from ..loading import Loaded
from ..predictor import Answer, Objects, Predictor
from ..records import Truth
from . import heat as heat_maps
from .perturb import perturb
from .target import MASKS, Target, scorer, targets, to_array
from .words import Words, facts_of

METHODS = ("gradcam", "lime", "shap", "attention")
BY_GRADIENT = ("gradcam", "attention")
MOST_BOXES = 3
TRUE = {"true", "1", "yes"}


@dataclass(frozen=True)
class Explaining:
    """What is asked for: ENABLE_XAI, XAI_METHOD, XAI_TARGET_LAYERS."""

    method: str
    layers: tuple[str, ...]
    in_words: bool  # ENABLE_LLM_EXPLANATION

    @classmethod
    def load(cls, platform: Platform, env: Mapping[str, str] | None = None) -> Explaining | None:
        env = os.environ if env is None else env
        if env.get("ENABLE_XAI", "").lower() not in TRUE:
            if env.get("ENABLE_LLM_EXPLANATION", "").lower() in TRUE:
                platform.event("explanation_without_words", "ENABLE_LLM_EXPLANATION puts explanations into words, and without ENABLE_XAI there are none", {})
            return None
        method = env.get("XAI_METHOD") or "gradcam"
        if method not in METHODS:
            raise JobError(f"XAI_METHOD {method!r} is not one of {', '.join(METHODS)}")
        try:
            layers = json.loads(env.get("XAI_TARGET_LAYERS") or "[]")
        except ValueError:
            layers = None
        if not isinstance(layers, list) or not all(isinstance(name, str) for name in layers):
            raise JobError('XAI_TARGET_LAYERS is no JSON list of layer names, for example ["model.22"]')
        return cls(method, tuple(layers), env.get("ENABLE_LLM_EXPLANATION", "").lower() in TRUE)


class Explainer:
    """Refuses at once what has no meaning for the model, before any picture."""

    def __init__(self, predictor: Predictor, asked: Explaining, out: Path, batch_size: int, platform: Platform) -> None:
        self.predictor, self.asked, self.out, self.batch_size = predictor, asked, out, batch_size
        self.words = Words(platform) if asked.in_words else None
        self.model: Any = None
        if predictor.task == "semantic_segmentation":
            raise JobError(MASKS)
        if asked.method in BY_GRADIENT:
            if predictor.differentiable is None:
                raise JobError(f"XAI_METHOD {asked.method} needs the model's {'gradients' if asked.method == 'gradcam' else 'attention'}, which this one does not give; use lime or shap, which need its answers alone")
            from .gradients import find

            self.model = predictor.differentiable()
            find(self.model.module, asked.layers)
            if asked.method == "attention" and isinstance(self.model.attention, str):
                raise JobError(f"XAI_METHOD attention: {self.model.attention}; use gradcam, lime or shap")

    def explain(self, item: Loaded, answer: Answer, truth: Truth, stem: str) -> list[dict[str, Any]]:
        """The explanations of one picture; it is the one to draw on, which may be smaller than the original."""
        assert item.picture is not None
        picture = to_array(item.picture)
        scale = picture.shape[1] / max(item.width, 1)
        found = []
        for i, target in enumerate(targets(answer, MOST_BOXES)):
            scaled = Target(target.index, target.confidence, None if target.box is None else target.box * scale)
            found.append(self._one(item, picture, scaled, target, truth, scale, f"{stem}-{i}" if target.box is not None else stem))
        if self.words:
            for explanation in found:
                facts = facts_of(explanation, self.asked.method, (picture.shape[1], picture.shape[0]), self._alternatives(answer, explanation["class_index"]))
                explanation["explanation"] = self.words.explain(facts)
        return found

    def _alternatives(self, answer: Answer, index: int) -> list[tuple[str, float]]:
        """The next likely classes of a classifier."""
        if not isinstance(answer, np.ndarray):
            return []
        order = [int(i) for i in np.argsort(-answer, kind="stable")[:3] if i != index]
        return [(self.predictor.names[i], float(answer[i])) for i in order]

    def _one(self, item: Loaded, picture: np.ndarray, scaled: Target, target: Target, truth: Truth, scale: float, stem: str) -> dict[str, Any]:
        score = scorer(self.predictor, scaled, self.batch_size)
        heat = heat_maps.normal(self._heat(item, picture, scaled, score))
        if not np.isfinite(heat).all():
            raise ValueError("its heat is NaN or infinite")
        folder = self.out / "xai"
        folder.mkdir(parents=True, exist_ok=True)
        names = {"heatmap_path": f"xai/{stem}-heatmap.png", "overlay_path": f"xai/{stem}-overlay.jpg"}
        Image.fromarray((255 * heat).astype(np.uint8)).save(self.out / names["heatmap_path"])
        heat_maps.overlay(picture, heat).save(self.out / names["overlay_path"], quality=90)
        return {
            "method": self.asked.method, "class_index": target.index, "class_name": self.predictor.names[target.index], "confidence": round(target.confidence, 5),
            "bbox": None if target.box is None else [round(float(v), 2) for v in target.box], **names,
            self.asked.method: heat_maps.statistics(heat),
            "faithfulness": {"deletion": round(heat_maps.deletion(picture, heat, score), 5), **pointing(heat, truth, target.index, scale), **inside(heat, scaled)},
        }

    def _heat(self, item: Loaded, picture: np.ndarray, target: Target, score: Any) -> np.ndarray:
        if self.asked.method not in BY_GRADIENT:
            return perturb(picture, score, self.asked.method)
        from .gradients import cam, rollout

        size = (picture.shape[1], picture.shape[0])
        if self.asked.method == "attention":
            return rollout(self.model, item.prepared, size)
        return cam(self.model, item.prepared, target, size, self.asked.layers or self.model.layers)


def pointing(heat: np.ndarray, truth: Truth, index: int, scale: float) -> dict[str, Any]:
    """The pointing game (Zhang et al. 2018): whether the hottest place lies in a labelled object of the class."""
    if not isinstance(truth, Objects):
        return {}
    y, x = np.unravel_index(int(heat.argmax()), heat.shape)
    boxes = truth.boxes[truth.classes == index] * scale
    return {"pointing_game": bool(any(b[0] <= x <= b[2] and b[1] <= y <= b[3] for b in boxes))}


def inside(heat: np.ndarray, target: Target) -> dict[str, Any]:
    """The share of the heat that lies in the explained box."""
    if target.box is None:
        return {}
    x1, y1, x2, y2 = (max(0, round(float(v))) for v in target.box)
    return {"heat_inside_box": round(float(heat[y1:y2, x1:x2].sum() / max(float(heat.sum()), 1e-12)), 5)}
