"""The model of a job, built by timm: fresh, or from local weights through timm's own filters. Never the hub."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from torch import nn
from trainer_sdk import JobError, Platform
from trainer_vision.weight_files import read_weights
from trainer_vision.weights import CURE, beginning, check_shapes, listed, other_classes, report_weights

Options = Mapping[str, Any]


def build_model(name: str, classes: int | Sequence[str], image_size: int, options: Options, weights: Path | None = None, platform: Platform | None = None) -> nn.Module:
    """With the names of the classes a head of others is made anew; with their number one of as many is taken."""
    check_name(name)
    pretrained = timm.get_pretrained_cfg(name)
    names = None if isinstance(classes, int) else classes
    arguments: dict[str, Any] = {"num_classes": classes if isinstance(classes, int) else len(classes), "drop_rate": options["drop"]}
    if options["drop_path"]:
        arguments["drop_path_rate"] = options["drop_path"]
    if pretrained is not None and pretrained.fixed_input_size:
        arguments["img_size"] = image_size
    model = _from_weights(name, weights, names, arguments, platform) if weights else _fresh(name, arguments)
    if options["freeze_backbone"]:
        model.requires_grad_(False)
        model.get_classifier().requires_grad_(True)
    return model


def check_name(name: str) -> None:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 5)
        raise JobError(f"MODEL_NAME {name!r} is not a model of timm" + (f"; near it: {', '.join(near)}" if near else ""))


def same_architecture(one: str, other: str) -> bool:
    """What stands behind the point in a name of timm are weights."""
    return one.split(".")[0] == other.split(".")[0]


def _fresh(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    try:
        return timm.create_model(name, pretrained=False, **arguments)
    except (AssertionError, ValueError, TypeError, RuntimeError) as error:
        raise JobError(f"cannot build {name} with {arguments}: {beginning(error)}") from error


def _from_weights(name: str, path: Path, names: Sequence[str] | None, arguments: Mapping[str, Any], platform: Platform | None) -> nn.Module:
    """timm's own way from weights to a model: its filter knows original layouts and resizes position embeddings.

    timm takes the head away where the number of classes differs, as its own `create_model(pretrained=True)` does.
    """
    found, head = read_weights(path), head_names(name)
    reason = other_classes(found.class_names, names)
    sizes = [found.tensors[f"{prefix}.weight"].shape[0] for prefix in head if f"{prefix}.weight" in found.tensors]
    overlay: dict[str, Any] = {"state_dict": dict(found.tensors), "label_offset": 0, "custom_load": False}
    overlay["num_classes"] = sizes[0] if sizes and not reason else -1
    try:
        with recorded_loads() as loads:
            model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)
    except Exception as error:  # of a filter that meets tensors of another architecture, anything
        _fresh(name, arguments)  # what is wrong without the weights too is not their fault
        raise JobError(f"the weights {path} do not fit {name}: {beginning(error)}. {CURE}") from error
    model.pretrained_cfg.pop("state_dict", None)  # the tensors are in the model
    load = loads[-1]
    check_shapes(name, model, path, load.reshaped, head)
    report_weights(model, path, load.fresh, head, load.unexpected, platform, reason=reason, notes=resized(found.tensors, model, load))
    return model


def resized(theirs: Mapping[str, torch.Tensor], model: nn.Module, load: Load) -> list[str]:
    """What timm's filter has interpolated for another size of images: it has another number of values than in the file, and came from there all the same."""
    names = [name for name, value in model.state_dict().items() if name in theirs and name not in load.fresh and theirs[name].numel() != value.numel()]
    return [f"interpolated for the image size: {listed(names)}"] if names else []


def head_names(name: str) -> list[str]:
    """The modules that turn features into classes, as timm's configuration of the model names them."""
    found = getattr(timm.get_pretrained_cfg(name), "classifier", None) or ()
    return [found] if isinstance(found, str) else list(found)


class Load(NamedTuple):
    """What became of the tensors of one load_state_dict, by their names."""

    fresh: list[str]  # of the model, not loaded
    unexpected: list[str]  # of the file, with no place in the model
    reshaped: list[str]  # of both, in different shapes: fresh as well


@contextlib.contextmanager
def recorded_loads() -> Iterator[list[Load]]:
    """Every load_state_dict meanwhile: timm says what was not loaded in a log line only, and of other shapes torch makes an error."""
    loads: list[Load] = []
    original = nn.Module.load_state_dict

    def load(self: nn.Module, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        own = self.state_dict()
        reshaped = [name for name, value in state_dict.items() if name in own and own[name].shape != value.shape]
        fitting = {name: value for name, value in state_dict.items() if name not in reshaped}
        found = original(self, fitting, strict=False, assign=assign)
        loads.append(Load([name for name in own if name not in fitting], found.unexpected_keys, reshaped))
        return found

    nn.Module.load_state_dict = load  # type: ignore[method-assign]
    try:
        yield loads
    finally:
        nn.Module.load_state_dict = original  # type: ignore[method-assign]


def keep_frozen_norms(model: nn.Module) -> None:
    """Batch norms of a frozen backbone keep their statistics: call it after every model.train()."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not any(p.requires_grad for p in module.parameters()):
            module.eval()
