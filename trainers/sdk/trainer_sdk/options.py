"""The user's options, checked against a trainer's config schema (section 9 of the contract)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from .job import JobError, setting_of


def check_options(options: Mapping[str, Any], schema: Mapping[str, Any], also: Sequence[str] = (), refused: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Check the user's options against a config schema and return them with every default filled in.

    A key of `also` is passed on unchecked; one of `refused` is told why; any other unknown key is a JobError that
    lists the valid ones. All mistakes are told together.
    """
    fields = {f["name"]: f for f in schema["fields"]}
    valid = sorted({*fields, *also})
    problems = []
    for key, value in options.items():
        if setting := setting_of(key):
            problems.append(f"option {key!r} is a setting of the job: set {setting.upper()} instead")
        elif refused and key in refused:
            problems.append(f"option {key!r} is not offered: {refused[key]}")
        elif key not in valid:
            near = difflib.get_close_matches(key, valid, 1)
            problems.append(f"unknown option {key!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        elif key in fields and (expected := _mismatch(value, fields[key])):
            problems.append(f"option {key!r} is {value!r}, expected {expected}")
    if problems:
        raise JobError(f"{'; '.join(problems)}. Valid options: {', '.join(valid)}")
    return {**{name: f["default"] for name, f in fields.items()}, **options}


def _mismatch(value: Any, spec: Mapping[str, Any]) -> str | None:
    """What a field expects, when the value is not that."""
    if spec["type"] == "select":
        return None if value in spec["options"] else f"one of {', '.join(map(str, spec['options']))}"
    kinds: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "string": (str,)}
    if not isinstance(value, kinds[spec["type"]]) or (isinstance(value, bool) and spec["type"] != "bool"):
        return f"a value of type {spec['type']}"
    low, high = spec.get("min"), spec.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        return f"a value from {low} to {high}"
    return None
