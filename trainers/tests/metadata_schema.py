"""metadata.json of an exported model, held against its schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import trainer_vision

SCHEMA = Path(trainer_vision.__file__).parent / "deploy" / "metadata.schema.json"


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "") -> list[str]:
    """What a JSON schema says against a value; as much of the language as metadata.schema.json uses."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    allowed = schema.get("type", [])
    allowed = [allowed] if isinstance(allowed, str) else allowed
    if allowed and not any(isinstance(value, kinds[kind]) and (kind in ("boolean",) or not isinstance(value, bool)) for kind in allowed):
        return [f"{at}: {value!r} is no {allowed}"]
    found = [f"{at}: {value!r} is not {schema['const']!r}"] if "const" in schema and value != schema["const"] else []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is not among {schema['enum']}")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, one in value.items():
            more = known.get(name, schema.get("additionalProperties", {}))
            found += [f"{at}.{name} is unknown"] if more is False else faults(one, more if isinstance(more, dict) else {}, root, f"{at}.{name}")
    if isinstance(value, list):
        found += [fault for i, one in enumerate(value) for fault in faults(one, schema.get("items", {}), root, f"{at}[{i}]")]
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{at} has {len(value)} entries")
    return found


def schema_faults(metadata: dict[str, Any]) -> list[str]:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return faults(metadata, schema, schema)
