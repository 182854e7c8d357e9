"""The model of a job, built by timm: fresh, or from local weights through timm's own filters. Never the hub."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import timm
from torch import nn
from trainer_sdk import JobError, Platform
from trainer_vision.weight_files import read_tensors
from trainer_vision.weights import beginning, report_weights

Options = Mapping[str, Any]


def build_model(name: str, classes: int, image_size: int, options: Options, weights: Path | None = None, platform: Platform | None = None) -> nn.Module:
    check_name(name)
    pretrained = timm.get_pretrained_cfg(name)
    arguments: dict[str, Any] = {"num_classes": classes, "drop_rate": options["drop"]}
    if options["drop_path"]:
        arguments["drop_path_rate"] = options["drop_path"]
    if pretrained is not None and pretrained.fixed_input_size:
        arguments["img_size"] = image_size
    try:
        model = _from_weights(name, weights, arguments, platform) if weights else timm.create_model(name, pretrained=False, **arguments)
    except (AssertionError, ValueError, TypeError, RuntimeError) as error:
        raise JobError(f"cannot build {name} for {image_size} px with {arguments}" + (f" from {weights}" if weights else "") + f": {beginning(error)}") from error
    if options["freeze_backbone"]:
        model.requires_grad_(False)
        model.get_classifier().requires_grad_(True)
    return model


def check_name(name: str) -> None:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 5)
        raise JobError(f"MODEL_NAME {name!r} is not a model of timm" + (f"; near it: {', '.join(near)}" if near else ""))


def _from_weights(name: str, path: Path, arguments: dict[str, Any], platform: Platform | None) -> nn.Module:
    """timm's own way from weights to a model: its filter knows original layouts and resizes position embeddings.

    timm takes the head away where the number of classes differs, as its own `create_model(pretrained=True)` does.
    """
    tensors = read_tensors(path)
    head = head_names(name)
    sizes = [tensors[f"{prefix}.weight"].shape[0] for prefix in head if f"{prefix}.weight" in tensors]
    overlay: dict[str, Any] = {"state_dict": tensors, "label_offset": 0, "custom_load": False}
    overlay["num_classes"] = sizes[0] if sizes else -1
    with recorded_loads() as loads:
        model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)
    model.pretrained_cfg.pop("state_dict", None)  # the tensors are in the model
    missing, unexpected = loads[-1]
    report_weights(model, path, missing, head, unexpected, platform)
    return model


def head_names(name: str) -> list[str]:
    """The modules that turn features into classes, as timm's configuration of the model names them."""
    found = getattr(timm.get_pretrained_cfg(name), "classifier", None) or ()
    return [found] if isinstance(found, str) else list(found)


@contextlib.contextmanager
def recorded_loads() -> Iterator[list[tuple[list[str], list[str]]]]:
    """(missing, unexpected) of every load_state_dict meanwhile: timm says them in a log line only."""
    loads: list[tuple[list[str], list[str]]] = []
    original = nn.Module.load_state_dict

    def load(self: nn.Module, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        found = original(self, state_dict, strict=False, assign=assign)
        loads.append((found.missing_keys, found.unexpected_keys))
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
