"""matrix.json: what each format can carry and in which numbers it can compute; what it cannot is refused before anything starts.

`trainer-agent check` reads the same file, and docs/export.md's tables are printed from it. Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer_sdk import JobError

FILE = Path(__file__).with_name("matrix.json")


def formats() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))["formats"]


def model_refusal(framework: str, task: str) -> str | None:
    """Why a trainer's models of a task are not exported to any format."""
    for entry in json.loads(FILE.read_text(encoding="utf-8"))["models"]:
        if (entry["framework"], entry["task"]) == (framework, task):
            return f"{task} with FRAMEWORK={framework} is not exported: {entry['refused']}. Set {entry['instead']}"
    return None


def cell(name: str, kind: str, dtype: str) -> Mapping[str, Any]:
    return formats()[name]["quantization"][f"{kind} {dtype}"]


def refusal(name: str, kind: str, dtype: str, task: str, device: str) -> str | None:
    """Why a job cannot be done, with what can be done in its place."""
    if kind == "none":
        return None
    found = cell(name, kind, dtype)
    asked = f"QUANTIZATION_TYPE={kind} with QUANTIZATION_DTYPE={dtype} for {name}"
    if "refused" in found:
        return f"{asked}: {found['refused']}. Set {found['instead']}"
    if task not in found.get("tasks", [task]):
        return f"{asked} serves {', '.join(found['tasks'])} only: {found['why']}. Set {found['instead']}"
    if found.get("needs") == "cuda" and not device.startswith("cuda"):
        return f"{asked} needs a GPU: set DEVICE=cuda on a machine that has one, or QUANTIZATION_TYPE=none"
    return None


def check(name: str, kind: str, dtype: str, task: str, device: str) -> None:
    if reason := refusal(name, kind, dtype, task, device):
        raise JobError(reason)


CELLS = [f"{kind} {dtype}" for dtype in ("int8", "int16", "float16") for kind in ("dynamic", "static")]


def tables() -> str:
    """The tables of docs/export.md."""
    able = {True: "yes", False: "no"}
    lines = ["| format | runs on | an image of any size goes in | any number of prepared images | quantized |", "|---|---|---|---|---|"]
    for name, found in formats().items():
        works = [cell for cell in CELLS if "refused" not in found["quantization"][cell]]
        lines.append(f"| {name} | {found['runs']} | {able[found['resizes']]} | {able[found['free_batch']]} | {', '.join(works) or 'no'} |")
    lines += ["", "| format | QUANTIZATION_TYPE and _DTYPE | |", "|---|---|---|"]
    for name, found in formats().items():
        for cell in CELLS:
            lines.append(f"| {name} | {cell} | {sentence(found['quantization'][cell])} |")
    lines += ["", "| trainer | task | |", "|---|---|---|"]
    for entry in json.loads(FILE.read_text(encoding="utf-8"))["models"]:
        lines.append(f"| {entry['framework']} | {entry['task']} | refused: {entry['refused']}; {entry['instead']} |")
    return "\n".join(lines) + "\n"


def sentence(found: Mapping[str, Any]) -> str:
    if "refused" in found:
        return f"refused: {found['refused']}; {found['instead']}"
    limits = [f"{', '.join(found['tasks'])} only: {found['why']}; else {found['instead']}"] if "tasks" in found else []
    limits += ["needs a GPU"] if found.get("needs") == "cuda" else []
    return ". ".join([found["how"], *limits])


if __name__ == "__main__":
    print(tables(), end="")
