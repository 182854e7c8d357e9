"""Image preprocessing: what the model's own processor says (size, resample, crop, norm), augmented as the options say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torchvision.transforms import InterpolationMode, v2
from trainer_sdk import JobError

HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

FILE = "preprocessor_config.json"

# Pillow's numbers, which processors have in preprocessor_config.json.
RESAMPLE = {0: InterpolationMode.NEAREST, 1: InterpolationMode.LANCZOS, 2: InterpolationMode.BILINEAR, 3: InterpolationMode.BICUBIC}


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the model's input. Sides in pixels."""

    size: int  # of the model's input, both sides
    resize: int | None  # the shorter side before a crop of `size`; None = both sides to `size`, whatever the shape
    resample: int
    mean: Sequence[float]
    std: Sequence[float]

    def at(self, size: int) -> Preprocessing:
        """The same for another input size: what a crop leaves out stays the same share."""
        return replace(self, size=size, resize=None if self.resize is None else max(round(self.resize * size / self.size), size))

    def describe(self) -> dict[str, Any]:
        """preprocessor_config.json for the eval transform, as image processors of transformers read it."""
        square = {"height": self.size, "width": self.size}
        return {
            "do_resize": True, "size": square if self.resize is None else {"shortest_edge": self.resize}, "resample": self.resample,
            "do_center_crop": self.resize is not None, "crop_size": square, "do_rescale": True, "rescale_factor": 1 / 255,
            "do_normalize": True, "image_mean": list(self.mean), "image_std": list(self.std), "do_convert_rgb": True, "do_flip_channel_order": False,
        }


def of_model(name: str, folder: Path | None, native: int) -> Preprocessing:
    """From preprocessor_config.json of the weights, else as the models of that name were pretrained; `native` is the side of the model's input."""
    config = read(folder) if folder else None
    usual = _by_name(name, native)
    return usual if config is None else _read(config, usual)


def read(folder: Path) -> dict[str, Any] | None:
    """The image processor's configuration beside weights, if there is one."""
    file = folder / FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def of_mobilevit(config: Mapping[str, Any]) -> bool:
    """Whose processor differs in what its configuration does not say: blue comes first, and nothing is normalised."""
    return _of(config, "MobileViT")


def _of(config: Mapping[str, Any], family: str) -> bool:
    return str(config.get("image_processor_type") or config.get("feature_extractor_type")).startswith(family)


def _by_name(name: str, native: int) -> Preprocessing:
    stem = name.rsplit("/", 1)[-1]
    if stem.startswith("clip"):
        return Preprocessing(native, native, 3, *CLIP)
    if stem.startswith("rtdetr"):
        return Preprocessing(640, None, 2, *PLAIN)
    if stem.startswith("segformer"):
        return Preprocessing(512, None, 2, *IMAGENET)
    if stem.startswith("dino"):
        return Preprocessing(native, round(native * 256 / 224), 3, *IMAGENET)
    return Preprocessing(native, None, 2, *HALF)


def _read(config: Mapping[str, Any], usual: Preprocessing) -> Preprocessing:
    """A processor's configuration; sizes are one number, {shortest_edge}, or {height, width}."""
    resample = config.get("resample", 0 if _of(config, "EfficientNet") else None)
    found = replace(usual, resample=usual.resample if resample is None else resample, **_norm(config))
    size, crop = config.get("size"), _side(config.get("crop_size"))
    if size is None:
        return found
    if not config.get("do_center_crop") and "crop_pct" not in config:
        return replace(found, size=_side(size) or found.size, resize=None)
    shortest = _side(size) or found.size
    if share := config.get("crop_pct"):  # ConvNeXt: `size` is the input, and below 384 px it is cropped from a larger image
        return replace(found, size=shortest, resize=round(shortest / share) if shortest < 384 else None)
    return replace(found, size=crop or shortest, resize=max(shortest, crop or 0))


def _norm(config: Mapping[str, Any]) -> dict[str, Sequence[float]]:
    """Mean and std for values of 0 to 1, of whatever a processor does with values of 0 to 255: first rescale, then normalise."""
    mean, std = PLAIN
    if config.get("do_normalize", not of_mobilevit(config)):  # RT-DETR's has a mean all the same
        if "image_mean" not in config or "image_std" not in config:
            return {}
        mean, std = _three(config, "image_mean"), _three(config, "image_std")
    scale, offset = 255 * (config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1), 0
    if _of(config, "EfficientNet"):
        offset = 1 if config.get("rescale_offset") else 0  # taken away after the rescaling
        if config.get("include_top", True) and "image_std" in config:  # divides by it once more
            std = tuple(s * t for s, t in zip(std, _three(config, "image_std"), strict=True))
    return {"mean": tuple((m + offset) / scale for m in mean), "std": tuple(s / scale for s in std)}


def _three(config: Mapping[str, Any], key: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(n) for n in config[key])
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or (key == "image_std" and min(numbers) <= 0):
        raise JobError(f"{FILE} of the weights: {key} is {config[key]!r}; three numbers are needed, one a colour")
    return numbers


def _side(value: Any) -> int | None:
    if isinstance(value, Mapping):
        value = value.get("shortest_edge") or value.get("height")
    return int(value) if value else None


def train_transform(how: Preprocessing, options: Mapping[str, Any]) -> Callable[[Any], torch.Tensor]:
    strength = options["color_jitter"]
    policy = {"none": [], "randaugment": [v2.RandAugment()], "trivialaugment": [v2.TrivialAugmentWide()]}[options["auto_augment"]]
    return v2.Compose([
        v2.RandomResizedCrop(how.size, scale=(max(options["crop_scale_min"], 0.01), 1.0), interpolation=RESAMPLE[how.resample], antialias=True),
        v2.RandomHorizontalFlip(options["hflip"]),
        *policy,
        *([v2.ColorJitter(strength, strength, strength)] if strength else []),
        *_to_tensor(how),
        *([v2.RandomErasing(options["reprob"])] if options["reprob"] else []),
    ])


def eval_transform(how: Preprocessing) -> Callable[[Any], torch.Tensor]:
    sides = [how.size, how.size] if how.resize is None else how.resize
    return v2.Compose([v2.Resize(sides, interpolation=RESAMPLE[how.resample], antialias=True), v2.CenterCrop(how.size), *_to_tensor(how)])


def _to_tensor(how: Preprocessing) -> list[Any]:
    return [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(how.mean), list(how.std))]
