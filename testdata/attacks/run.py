"""Runs every attack of this folder as the training process, and prints what each got.

Each is a module with `attack()`, which returns what it reached; an OSError, or None,
means that the boundary held. The first line of its text names the boundary.
"""

import importlib
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
for path in sorted(HERE.glob("a[0-9]*.py")):
    try:
        got = importlib.import_module(path.stem).attack()
    except OSError as refusal:
        got = None
        print(f"note {path.stem}: {refusal}", flush=True)
    print(f"attack {path.stem} {'held' if got is None else 'GOT ' + str(got)}", flush=True)
output = Path(os.environ["OUTPUT_DIR"])
(output / "checkpoints" / "last.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
(output / "over").touch()
