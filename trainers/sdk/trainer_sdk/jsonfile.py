"""Values as the contract's JSON: no NaN, times in UTC, files that appear whole."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any


def now() -> str:
    """The time of an event, RFC 3339 in UTC."""
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")


def clean(value: Any) -> Any:
    """Make a value fit for JSON: NaN and infinities become null, numpy and torch values plain ones, and what is no
    Unicode in a text, as in a file's name that is no UTF-8, question marks."""
    if isinstance(value, Mapping):
        return {clean(str(k)): clean(v) for k, v in value.items()}
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy arrays and scalars, torch tensors
        return clean(value.tolist())
    if isinstance(value, Sequence | set | frozenset):
        return [clean(v) for v in value]
    return str(value)


def non_finite(metrics: Any) -> list[str]:
    """The names of metrics that are NaN or infinite; `clean` makes nulls of them."""
    if not isinstance(metrics, Mapping):
        return []
    plain = {str(k): v.tolist() if hasattr(v, "tolist") else v for k, v in metrics.items()}
    return [k for k, v in plain.items() if isinstance(v, float) and not math.isfinite(v)]


def number(value: Any) -> float | None:
    value = clean(value)
    return float(value) if isinstance(value, int | float) else None


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file at once: a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.tmp")
    partial.write_text(json.dumps(clean(value), ensure_ascii=False, indent=1), encoding="utf-8")
    partial.replace(path)
