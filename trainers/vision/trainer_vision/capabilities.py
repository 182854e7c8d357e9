"""Checks capabilities.json: the document's form, and that every model in it can be built. Needs torch.

A trainer's validate_capabilities.py says how it builds a model; here it is built without memory (on
torch's meta device), counted and measured, and compared with what the document claims.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

TOLERANCE = 0.02
_DOCUMENT = {"framework": str, "display_name": str, "description": str, "version": str, "models": list, "task_types": list, "dataset_formats": list}
_ENTRIES: dict[str, dict[str, Any]] = {
    "models": {"model_name": str, "display_name": str, "task_types": list, "description": str, "parameters": dict, "supported": bool},
    "task_types": {"name": str, "display_name": str, "description": str, "supported": bool},
    "dataset_formats": {"name": str, "display_name": str, "supported": bool},
}

Build = Callable[[str, str], tuple[nn.Module, tuple[int, ...]]]
"""(model name, task) → (model, shape of an input with one image)."""


def check_form(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with the document's form, section 9 of the contract; empty when nothing is."""
    issues = _missing("capabilities.json", document, _DOCUMENT)
    for key, fields in _ENTRIES.items():
        for i, entry in enumerate(document.get(key, [])):
            issues += _missing(f"{key}[{i}]", entry, fields)
    if issues:
        return issues
    tasks = {t["name"] for t in document["task_types"] if t["supported"]}
    names = [m["model_name"] for m in document["models"]]
    issues += [f"model {n} is listed {names.count(n)} times" for n in sorted(set(names)) if names.count(n) > 1]
    for model in document["models"]:
        issues += [f"model {model['model_name']} names the task {t}, which is not supported" for t in model["task_types"] if model["supported"] and t not in tasks]
    return issues


def _missing(where: str, entry: Any, fields: Mapping[str, type]) -> list[str]:
    if not isinstance(entry, Mapping):
        return [f"{where} is not an object"]
    return [f"{where}: {name} is missing or not a {kind.__name__}" for name, kind in fields.items() if not isinstance(entry.get(name), kind)]


def measure(model: nn.Module, shape: tuple[int, ...]) -> dict[str, float]:
    """Millions of parameters (`min`) and billions of multiply-accumulates for one image (`macs`)."""
    device = next(model.parameters()).device
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.zeros(shape, device=device))
    return {"min": round(sum(p.numel() for p in model.parameters()) / 1e6, 2), "macs": round(counter.get_total_flops() / 2e9, 2)}


def check_models(document: Mapping[str, Any], build: Build, update: bool = False, built: list[str] | None = None) -> list[str]:
    """Build every supported model for its tasks and compare its size with the document; `built` gets the names of those that were."""
    issues = []
    for entry in document["models"]:
        if not entry["supported"]:
            continue
        try:
            for task in reversed(entry["task_types"]):
                model, shape = build(entry["model_name"], task)
            measured = measure(model, shape)
        except Exception as error:
            issues.append(f"model {entry['model_name']} cannot be built: {type(error).__name__}: {error}")
            continue
        if built is not None:
            built.append(entry["model_name"])
        if update:
            entry["parameters"] = measured
        issues += [
            f"model {entry['model_name']}: {key} is {entry['parameters'].get(key)}, measured {value}"
            for key, value in measured.items() if abs(entry["parameters"].get(key, 0) - value) > TOLERANCE * max(value, 0.5)
        ]
    return issues


def main(folder: Path, build: Build) -> NoReturn:
    """Validate the capabilities.json of a folder and print {passed, duration, issues, models}; --update writes the measured sizes."""
    started = time.monotonic()
    path = folder / "capabilities.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    update = "--update" in sys.argv[1:]
    built: list[str] = []
    issues = check_form(document) or check_models(document, build, update, built)
    if update and not issues:
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps({"passed": not issues, "duration": round(time.monotonic() - started, 3), "issues": issues, "models": built, "models_validated": len(built)}, indent=2))
    sys.exit(1 if issues else 0)
