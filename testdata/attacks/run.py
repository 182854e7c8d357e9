"""Runs every attack of this folder as the training process, and prints what each got.

Each is a module with `attack()`, which returns what it reached; a denial (boundary.py), or
None, means that the boundary held. The first line of its text names the boundary.
"""

import importlib
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from boundary import Untried, refused


def result(name: str) -> str:
    try:
        try:
            got = importlib.import_module(name).attack()
        except OSError as refusal:
            refused(refusal)
            print(f"note {name}: {refusal}", flush=True)
            got = None
    except Untried as why:
        return f"UNTRIED {why}"
    return "held" if got is None else f"GOT {got}"


for path in sorted(HERE.glob("a[0-9]*.py")):
    print(f"attack {path.stem} {result(path.stem)}", flush=True)
output = Path(os.environ["OUTPUT_DIR"])
(output / "checkpoints" / "last.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
(output / "over").touch()
