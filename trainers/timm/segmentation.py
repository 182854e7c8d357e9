"""What a training of semantic_segmentation is made of: masks, a U-Net, loss, and how a validation is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from augmentation import data_config
from timm.data.transforms import str_to_interp_mode
from torch import nn
from torch.nn import functional
from trainer_sdk import Job, Platform
from trainer_vision.choices import say
from trainer_vision.mask_metrics import MaskResults
from trainer_vision.masks import IGNORE, SplitMasks, eval_transform, outputs, train_transform
from trainer_vision.processes import gather
from unet import build_unet

# Options that are for whole images, and the value with which each is off.
ONLY_CLASSIFICATION = {"auto_augment": "none", "mixup": 0.0, "cutmix": 0.0, "loss": "cross_entropy", "class_weights": "none", "balanced_sampling": False, "drop": 0.0}


class Segmentation:
    mixup = None

    def __init__(self, job: Job, platform: Platform, options: Mapping[str, Any]) -> None:
        say_ignored(platform, options)
        self.train, self.val = (SplitMasks(job, split, options["ignore_background"]) for split in ("train", "val"))
        self.train.check_labelled("train")
        self.val.check_labelled("val")
        self.train.check_several_classes("train")
        self.classes = [c.name for c in self.train.classes]
        self.names = outputs(self.classes, options["ignore_background"])
        weights = None if job.resume_checkpoint else job.pretrained_weights
        self.model = build_unet(job.model, self.names, options, weights, platform)
        config = data_config(self.model.encoder, job.image_size)
        look = (job.image_size, config["mean"], config["std"], str_to_interp_mode(config["interpolation"]))
        self.train.transform = train_transform(*look, **{key: options[key] for key in ("crop_scale_min", "hflip", "vflip", "color_jitter", "reprob")})
        self.val.transform = eval_transform(*look)
        self.loss = nn.CrossEntropyLoss(ignore_index=IGNORE, label_smoothing=options["smoothing"])

    def scores(self) -> MaskScores:
        return MaskScores(self.names, len(self.classes))


def say_ignored(platform: Platform, options: Mapping[str, Any]) -> None:
    """A preset is for every task: what means nothing for masks is left out, and said."""
    if ignored := [key for key, off in ONLY_CLASSIFICATION.items() if options[key] != off]:
        message = f"options for whole images, not used for masks: {', '.join(ignored)}"
        say(f"[trainer] {message}")
        platform.event("options_ignored", message[0].upper() + message[1:], {"options": ignored})


class MaskScores:
    """Collects a validation: what each image adds to the confusion matrix, and the true cross-entropy of its pixels."""

    def __init__(self, names: Sequence[str], classes: int) -> None:
        self.results = MaskResults(names, classes)
        self.losses: dict[str, tuple[float, int]] = {}  # sum over pixels, and their number

    def add(self, output: torch.Tensor, labels: torch.Tensor, files: Sequence[str]) -> None:
        each = functional.cross_entropy(output, labels, reduction="none", ignore_index=IGNORE).sum((1, 2)).tolist()
        counted = (labels >= 0).sum((1, 2)).tolist()
        predicted = output.argmax(1).cpu().numpy()
        for i, (file, truth) in enumerate(zip(files, labels.cpu().numpy(), strict=True)):
            self.results.add(file, truth, predicted[i])
            self.losses[file] = (each[i], counted[i])

    def finish(self) -> tuple[MaskResults, float]:
        """The results of all processes, and the mean loss of a pixel."""
        for rows, losses in gather((self.results.rows, self.losses)):
            self.results.rows.update(rows)
            self.losses.update(losses)
        total, pixels = (sum(column) for column in zip(*self.losses.values(), strict=True))
        return self.results, total / max(pixels, 1)
