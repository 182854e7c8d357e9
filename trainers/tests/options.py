"""Other values for the fields of a config schema."""

from __future__ import annotations

from typing import Any


def changed(field: dict[str, Any]) -> Any:
    """A valid value of the field that is not its default."""
    if field["type"] == "bool":
        return not field["default"]
    if field["type"] == "select":
        return next(option for option in field["options"] if option != field["default"])
    if field["type"] == "string":
        return field["default"].replace("photo", "drawing")
    return field["max"] if field["default"] != field["max"] else field["min"]
