"""CLIP as a classifier by text: an image belongs to the class whose prompt it is most like.

The text tower is fixed, so its answer for every class is computed once and kept; what is trained is
the image tower. What is saved is a plain CLIP model that any CLIP code loads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from torch import nn
from trainer_sdk import JobError, write_json
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.modeling_outputs import ImageClassifierOutput

LARGEST_SCALE = 100.0


class ZeroShotCLIP(CLIPModel):
    """CLIPModel with the classes' text features; forward gives logits over the classes."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__(config)
        self.register_buffer("class_features", torch.zeros(0, config.projection_dim), persistent=False)
        self.texts: list[list[str]] = []  # of every class, one text a template
        self.tokenizer: Any = None

    def set_classes(self, names: Sequence[str], prompt: str, tokenizer: Any) -> None:
        """Classify by these classes from now on; a class is the mean of its texts, one for each template of the prompt."""
        self.texts, self.tokenizer = [[template.replace("{}", name) for template in templates(prompt)] for name in names], tokenizer
        self.text_model.requires_grad_(False)
        self.text_projection.requires_grad_(False)
        self.refresh_classes()

    @torch.no_grad()
    def refresh_classes(self) -> None:
        """Compute the text features of the classes with the text tower as it is now."""
        longest = self.config.text_config.max_position_embeddings
        flat = [text for texts in self.texts for text in texts]
        tokens = self.tokenizer(flat, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        training = self.training
        self.eval()
        features = self.get_text_features(input_ids=tokens["input_ids"].to(self.device), attention_mask=tokens["attention_mask"].to(self.device)).pooler_output
        self.train(training)
        each = nn.functional.normalize(features, dim=-1).view(len(self.texts), -1, features.shape[-1])
        self.class_features = nn.functional.normalize(each.mean(1), dim=-1)

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """CLIP's own bound: logits are never scaled by more than 100."""
        self.logit_scale.clamp_(max=math.log(LARGEST_SCALE))

    def save_pretrained(self, *arguments: Any, **named: Any) -> None:
        """As a plain CLIPModel, which every Auto class knows."""
        super().save_pretrained(*arguments, **named)
        path = Path(arguments[0] if arguments else named["save_directory"]) / "config.json"
        if path.is_file():
            write_json(path, {**json.loads(path.read_text(encoding="utf-8")), "architectures": ["CLIPModel"]})

    def forward(self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None, interpolate_pos_encoding: bool = False, **_: Any) -> ImageClassifierOutput:
        features = self.get_image_features(pixel_values=pixel_values, interpolate_pos_encoding=interpolate_pos_encoding).pooler_output
        logits = self.logit_scale.exp() * nn.functional.normalize(features, dim=-1) @ self.class_features.T
        loss = nn.functional.cross_entropy(logits, labels) if labels is not None else None
        return ImageClassifierOutput(loss=loss, logits=logits)


def templates(prompt: str) -> list[str]:
    """The templates of the option `prompt`, which | divides; {} stands in the place of the class name."""
    found = [template.strip() for template in prompt.split("|")]
    if wrong := [template for template in found if "{}" not in template]:
        raise JobError(f"option 'prompt' is {prompt!r}, expected a text with {{}} in the place of the class name, or several divided by |; {wrong[0]!r} has none")
    return found


def byte_tokenizer(config: CLIPConfig) -> CLIPTokenizer:
    """A tokenizer for a CLIP without pretrained text tower: every byte is a token, so any name has one."""
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*symbols, *(s + "</w>" for s in symbols), "<|startoftext|>", "<|endoftext|>"]
    text = config.text_config
    vocabulary = {word: i for i, word in enumerate(words)}
    text.bos_token_id = vocabulary["<|startoftext|>"]
    text.eos_token_id = text.pad_token_id = vocabulary["<|endoftext|>"]
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=text.max_position_embeddings)
