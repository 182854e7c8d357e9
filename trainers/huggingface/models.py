"""The models of the trainer: built from a configuration, or loaded from local weights. Never the hub.

Local weights are a folder as `save_pretrained` writes it, a zip of one, or a single file with the
tensors (.safetensors, .bin, .pt) for a model that is known by name.
"""

from __future__ import annotations

import copy
import inspect
import json
import math
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import channels
import torch
from clip import ZeroShotCLIP, byte_tokenizer
from trainer_sdk import JobError, Platform
from trainer_vision.weight_files import check_file, check_numbers, holds_config, read_tensors
from trainer_vision.weights import beginning, check_shapes, other_classes, report_weights
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForObjectDetection,
    AutoModelForSemanticSegmentation,
    AutoTokenizer,
    CLIPConfig,
    PretrainedConfig,
    PreTrainedModel,
    RTDetrConfig,
    RTDetrResNetConfig,
    SegformerConfig,
    ViTConfig,
)


def _vit(hidden: int, heads: int, layers: int = 12, patch: int = 16) -> Callable[[int], PretrainedConfig]:
    def config(image_size: int) -> PretrainedConfig:
        return ViTConfig(hidden_size=hidden, num_attention_heads=heads, num_hidden_layers=layers, intermediate_size=4 * hidden, patch_size=patch, image_size=image_size)

    return config


def _clip(patch: int, vision: dict[str, int] | None = None, text: dict[str, int] | None = None, projection: int = 512) -> Callable[[int], PretrainedConfig]:
    def config(image_size: int) -> PretrainedConfig:
        return CLIPConfig(vision_config={"patch_size": patch, "image_size": image_size, **(vision or {})}, text_config=text or {}, projection_dim=projection)

    return config


def _segformer(hidden: list[int], depths: list[int], decoder: int) -> Callable[[int], PretrainedConfig]:
    return lambda _image_size: SegformerConfig(hidden_sizes=hidden, depths=depths, decoder_hidden_size=decoder)


def _rtdetr(kind: str, depths: list[int], widths: list[int], embedding: int = 64, **more: Any) -> Callable[[int], PretrainedConfig]:
    """RT-DETR on a ResNet. Its batch norms are only fixed where weights come with them."""

    def config(_image_size: int) -> PretrainedConfig:
        backbone = RTDetrResNetConfig(layer_type=kind, depths=depths, hidden_sizes=widths, embedding_size=embedding, out_indices=[2, 3, 4])
        return RTDetrConfig(backbone_config=backbone, encoder_in_channels=widths[1:], freeze_backbone_batch_norms=False, **more)

    return config


_TINY_DETR = {
    "d_model": 64, "encoder_hidden_dim": 64, "encoder_ffn_dim": 128, "encoder_attention_heads": 4, "decoder_in_channels": [64, 64, 64], "decoder_ffn_dim": 128,
    "decoder_attention_heads": 4, "decoder_layers": 2, "num_queries": 50, "num_denoising": 20, "hidden_expansion": 0.5,
}
_TINY = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}

NATIVE_SIZE = 224  # pixels, of every model below that has one

# Name → configuration for an image size in pixels. The names are the hub's, without the owner.
CONFIGS: dict[str, Callable[[int], PretrainedConfig]] = {
    "vit-tiny-patch16-224": _vit(192, 3),
    "vit-base-patch16-224": _vit(768, 12),
    "vit-large-patch16-224": _vit(1024, 16, layers=24),
    "dino-vits16": _vit(384, 6),
    "dino-vits8": _vit(384, 6, patch=8),
    "dino-vitb16": _vit(768, 12),
    "clip-vit-base-patch32": _clip(32),
    "clip-vit-base-patch16": _clip(16),
    "clip-vit-tiny-patch16": _clip(16, _TINY, _TINY, projection=64),
    "segformer-b0": _segformer([32, 64, 160, 256], [2, 2, 2, 2], 256),
    "segformer-b1": _segformer([64, 128, 320, 512], [2, 2, 2, 2], 256),
    "rtdetr-tiny": _rtdetr("basic", [1, 1, 1, 1], [16, 32, 64, 128], 16, **_TINY_DETR),
    "rtdetr-r18": _rtdetr("basic", [2, 2, 2, 2], [64, 128, 256, 512], decoder_layers=3, hidden_expansion=0.5),
    "rtdetr-r50": _rtdetr("bottleneck", [3, 4, 6, 3], [256, 512, 1024, 2048]),
    "segformer-b2": _segformer([64, 128, 320, 512], [3, 4, 6, 3], 768),
}


def build(task: str, name: str, names: Sequence[str], image_size: int, weights: Path | None, prompt: str = "{}", platform: Platform | None = None) -> PreTrainedModel:
    """The model for the classes, in index order; with weights their tensors, else fresh ones."""
    folder = model_folder(weights) if weights else None
    config = read_config(name, image_size, folder, weights, task)
    if task == "zero_shot_classification":
        if not does(config, task):
            raise JobError(f"MODEL_NAME: zero_shot_classification needs a CLIP model; {name or folder} is a {config.model_type}. Use clip-vit-base-patch32")
        tokenizer = _tokenizer(folder, config)  # first: it may set the token ids that the model is built with
        _name_classes(config, names)
        model = _load(ZeroShotCLIP, config, Source(name, image_size, weights, folder), platform)
        model.set_classes(names, prompt, tokenizer)
        return model
    reason = other_classes([str(name) for name in config.id2label.values()], names)
    _name_classes(config, names)
    cls, deed, example = _AUTO.get(task, _AUTO["image_classification"])
    if not does(config, task):
        raise JobError(f"MODEL_NAME: {task} needs a model that {deed}; {name or folder} is a {config.model_type}. Use {example}")
    return _load(cls, config, Source(name, image_size, weights, folder, reason), platform)


# Task → the class that builds its models, what these do, one of them.
_AUTO: dict[str, tuple[Any, str, str]] = {
    "image_classification": (AutoModelForImageClassification, "classifies", "vit-base-patch16-224"),
    "semantic_segmentation": (AutoModelForSemanticSegmentation, "segments", "segformer-b0"),
    "object_detection": (AutoModelForObjectDetection, "detects", "rtdetr-r18"),
}


def _name_classes(config: PretrainedConfig, names: Sequence[str]) -> None:
    config.num_labels = len(names)
    config.id2label, config.label2id = dict(enumerate(names)), {n: i for i, n in enumerate(names)}


def read_config(name: str, image_size: int, folder: Path | None = None, weights: Path | None = None, task: str = "image_classification") -> PretrainedConfig:
    """The configuration of the weights' folder, else of the model's name: for the image size, or for that of a file of tensors."""
    stem = name.rsplit("/", 1)[-1]
    if folder is not None:
        return _of_folder(folder, stem)
    if stem not in CONFIGS:
        raise JobError(_unknown(name, task))
    config = CONFIGS[stem](image_size)
    vision = getattr(config, "vision_config", config)
    patch = getattr(vision, "patch_size", None)
    if patch is None:  # any size is taken
        return config
    if weights is not None:
        vision.image_size = _side_of(read_tensors(weights), patch)
    check_size(config, image_size)
    return config


def check_size(config: PretrainedConfig, image_size: int) -> None:
    """A vision transformer does not see what is left of an image beside its last patch."""
    vision = getattr(config, "vision_config", config)
    patch = getattr(vision, "patch_size", None)
    whole = all(isinstance(getattr(vision, name, None), int) for name in ("patch_size", "hidden_size", "num_attention_heads"))  # a pyramid has several
    if whole and image_size % patch:
        raise JobError(f"IMAGE_SIZE {image_size} is not a multiple of the model's patch of {patch}; use {max(image_size // patch, 1) * patch}")


def _unknown(name: str, task: str) -> str:
    stem = name.rsplit("/", 1)[-1]
    known = [known for known, make in CONFIGS.items() if does(make(NATIVE_SIZE), task)]
    return (
        f"MODEL_NAME {name!r} is not known without weights: use one of {', '.join(known)}, or give weights with their config.json: into AGENT_WEIGHTS_DIR"
        f" (trainer-agent weights add), to weights/huggingface/{stem}/ in the bucket, or as a zip at PRETRAINED_WEIGHT_URL"
    )


def does(config: PretrainedConfig, task: str) -> bool:
    """Whether a model of this configuration can be built for the task."""
    if task == "zero_shot_classification":
        return config.model_type == "clip"
    return type(config) in _AUTO.get(task, _AUTO["image_classification"])[0]._model_mapping


def _of_folder(folder: Path, stem: str) -> PretrainedConfig:
    """The configuration beside weights, which must be that of the model where its name is known."""
    tensors = [*folder.glob("*.safetensors")] or [*folder.glob("*.bin")]  # the latter are not read beside the former, and may be pointers
    for file in (*tensors, *folder.glob("*.json")):
        check_file(file)
    refuse_code(folder)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:
        raise JobError(f"the weights {folder} are not of a model of transformers: their config.json cannot be used: {beginning(error)}") from error
    if stem in CONFIGS and (wrong := _differences(config, CONFIGS[stem](NATIVE_SIZE))):
        raise JobError(f"the weights in {folder} are not of {stem}: {'; '.join(wrong)}. Give weights of {stem}, or set MODEL_NAME to what they are: with a name that is not listed any are taken")
    return config


def refuse_code(folder: Path) -> None:
    """A configuration may name Python files beside it: these are run for nobody. Where transformers knows the model itself, it takes its own code."""
    try:
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        return  # transformers says what is wrong with it
    if isinstance(told, dict) and told.get("auto_map") and told.get("model_type") not in CONFIG_MAPPING:
        raise JobError(f"the weights {folder} are of a model with code of its own (auto_map in their config.json), which is not run; use a model of transformers' own")


_SHAPE = ("hidden_size", "hidden_sizes", "num_hidden_layers", "depths", "patch_size", "d_model", "decoder_layers", "projection_dim")


def _differences(found: PretrainedConfig, wanted: PretrainedConfig) -> list[str]:
    """What of a network's shape is another one; the size of images and the number of classes are no part of it."""
    if found.model_type != wanted.model_type:
        return [f"they are of a {found.model_type}, not of a {wanted.model_type}"]
    differences = []
    for part in (None, "vision_config", "backbone_config"):
        ours, theirs = (getattr(config, part, None) if part else config for config in (wanted, found))
        values = [(key, getattr(theirs, key, None), getattr(ours, key)) for key in _SHAPE if getattr(ours, key, None) is not None]
        differences += [f"{key} is {has}, not {should}" for key, has, should in values if _plain(has) != _plain(should)]
    return differences


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _side_of(tensors: Mapping[str, torch.Tensor], patch: int) -> int:
    """The side in pixels of the images that a position embedding is for: one row a patch, and one for the class."""
    named = ("embeddings.position_embeddings", "vision_model.embeddings.position_embedding.weight")
    rows = next((value.shape[-2] for name, value in tensors.items() if name.endswith(named)), None)
    return NATIVE_SIZE if rows is None else math.isqrt(rows - 1) * patch


def native_size(config: PretrainedConfig) -> int | None:
    """The side that a model's weights were made for; None for one that takes any size and names none, as ResNet and SegFormer."""
    size = getattr(getattr(config, "vision_config", config), "image_size", None)
    return int(size[0]) if isinstance(size, list | tuple) else size


def size_arguments(model: Any, image_size: int) -> dict[str, bool]:
    """What forward wants for images of another size than the native one: some models resize their position embedding on request."""
    native = native_size(model.config)
    takes = "interpolate_pos_encoding" in inspect.signature(type(model).forward).parameters
    return {"interpolate_pos_encoding": True} if takes and native not in {None, image_size} else {}


_CLASS_HEADS = ("class_embed.", "enc_score_head.", "class_labels_classifier.")  # of detectors, within the backbone


def head_of(model: PreTrainedModel) -> list[str]:
    """Prefixes of the tensors that turn features into classes: what lies outside of the model's backbone."""
    if isinstance(model, ZeroShotCLIP):
        return []
    backbone, names = model.base_model_prefix + ".", list(model.state_dict())
    if of_classes := [name for name in names if any(part in name for part in _CLASS_HEADS)]:
        return of_classes
    if not any(name.startswith(backbone) for name in names):  # CLIP's image tower as a classifier
        return ["classifier."]
    return sorted({name.split(".")[0] + "." for name in names if not name.startswith(backbone)})


@dataclass(frozen=True)
class Source:
    """Where a model's tensors are from, and for what they are loaded."""

    name: str  # of the model
    image_size: int
    weights: Path | None
    folder: Path | None  # of the weights, where they are no single file
    reason: str = ""  # why their head is of no use; empty where it may be


def _load(cls: Any, config: PretrainedConfig, source: Source, platform: Platform | None) -> PreTrainedModel:
    weights, folder = source.weights, source.folder
    build_empty = cls._from_config if issubclass(cls, PreTrainedModel) else cls.from_config
    if weights is None:
        return build_empty(config)
    try:
        how = {"config": config, "ignore_mismatched_sizes": True, "output_loading_info": True, "dtype": torch.float32}
        if folder is not None:
            model, report = cls.from_pretrained(folder, **how)
        else:
            model, report = _empty_class(cls, config).from_pretrained(None, state_dict=read_tensors(weights), **how)
    except JobError:
        raise
    except Exception as error:
        raise JobError(f"cannot load the weights {weights}: {beginning(error)}") from error
    check_numbers(weights, dict(model.named_parameters()))
    if folder is not None:
        channels.turn(model, folder)
    head, own = head_of(model), model.state_dict().keys()
    reshaped = {key[0] if isinstance(key, tuple) else key for key in report["mismatched_keys"]} & own
    check_shapes(source.name or config.model_type, model, weights, reshaped, head)
    replaced = _replace_head(model, build_empty) if source.reason else set()
    fresh = (report["missing_keys"] & own) | reshaped | replaced
    report_weights(model, weights, fresh, head, report["unexpected_keys"], platform, reason=source.reason, notes=_interpolated(model, source.image_size))
    return model


def _replace_head(model: PreTrainedModel, build_empty: Callable[[PretrainedConfig], PreTrainedModel]) -> set[str]:
    """Begin the tensors anew that depend on the number of classes: those that another number gives another shape."""
    other = copy.deepcopy(model.config)
    other.num_labels += 1
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in build_empty(other).state_dict().items()}
    own, fresh = model.state_dict(), build_empty(model.config).state_dict()
    names = {name for name, value in own.items() if shapes[name] != value.shape}
    with torch.no_grad():
        for name in names:
            own[name].copy_(fresh[name])
    return names


def _interpolated(model: PreTrainedModel, image_size: int) -> list[str]:
    native = native_size(model.config)
    return [f"position embedding: of {native} px, interpolated to {image_size}"] if native is not None and size_arguments(model, image_size) else []


def _empty_class(cls: Any, config: PretrainedConfig) -> Any:
    """The class that an Auto class stands for: only that takes tensors without a folder."""
    return cls if issubclass(cls, PreTrainedModel) else cls._model_mapping[type(config)]


def _tokenizer(folder: Path | None, config: PretrainedConfig) -> Any:
    """CLIP's own tokenizer where the weights bring it; bytes where the text tower is fresh anyway."""
    if folder is not None and any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if folder is not None:
        raise JobError(f"{folder} has no tokenizer.json: a pretrained CLIP needs its own tokenizer")
    return byte_tokenizer(config)


# Learning rates of AdamW, pretrained and from scratch.
RATES = {"clip": (1e-5, 5e-4), "attention": (5e-5, 5e-4), "convolution": (1e-4, 1e-3)}
SCALES = {"sgd": 50.0, "rmsprop": 0.5}  # of other optimizers, as a multiple


def learning_rate(config: PretrainedConfig, task: str, pretrained: bool, options: Mapping[str, Any]) -> float:
    """A rate that suits the model's family; a head alone takes ten times as much."""
    vision = getattr(config, "vision_config", config)
    attention = any(hasattr(vision, name) for name in ("num_attention_heads", "num_heads", "encoder_num_heads"))
    family = "clip" if task == "zero_shot_classification" else "attention" if attention else "convolution"
    rate = RATES[family][0 if pretrained else 1] * SCALES.get(options["optim"], 1.0) * (10 if options["freeze_backbone"] else 1)
    return float(f"{rate:.2g}")


def model_folder(weights: Path) -> Path | None:
    """The folder with config.json, unpacked from a zip where need be; None for a single file of tensors."""
    if not weights.exists():
        raise JobError(f"the weights {weights} do not exist")
    if weights.is_dir():
        root = weights
    elif holds_config(weights):
        root = Path(tempfile.mkdtemp(prefix="weights-"))
        with zipfile.ZipFile(weights) as archive:
            archive.extractall(root)
    else:
        return None
    found = sorted(root.rglob("config.json"), key=lambda p: len(p.parts))
    if not found:
        raise JobError(f"{weights} has no config.json")
    return found[0].parent
