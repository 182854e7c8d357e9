"""Builds every model of capabilities.json and prints {passed, duration, issues, models}; exit code 1 when one fails."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import model

TOLERANCE = 0.02  # of the number of parameters


def check(entry: dict[str, Any]) -> list[str]:
    """What is wrong with one model of the document."""
    name, claimed = entry["model_name"], entry["parameters"]["min"]
    try:
        network = model.build(name, ["a", "b", "c"], model.REFERENCE_SIZE, seed=0)
    except Exception as error:
        return [f"model {name} cannot be built: {type(error).__name__}: {error}"]
    millions = model.parameters(network) / 1e6
    if abs(millions - claimed) > TOLERANCE * millions:
        return [f"model {name}: parameters.min is {claimed}, it has {millions:.4f} million"]
    return []


def main() -> None:
    started = time.monotonic()
    document = json.loads(Path(__file__).with_name("capabilities.json").read_text(encoding="utf-8"))
    supported = [entry for entry in document["models"] if entry["supported"]]
    found = {entry["model_name"]: check(entry) for entry in supported}
    issues = [issue for of_one in found.values() for issue in of_one]
    built = [name for name, of_one in found.items() if not of_one]
    print(json.dumps({"passed": not issues, "duration": round(time.monotonic() - started, 3), "issues": issues, "models": built, "models_validated": len(built)}, indent=2))
    sys.exit(1 if issues else 0)


if __name__ == "__main__":
    main()
