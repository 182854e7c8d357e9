"""Converts a timm checkpoint to onnx or torchscript.

From the environment (contract §2), or `export.py --checkpoint best.pt --format onnx --output out`.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "sdk"))

from load import load
from trainer_classifier import export

if __name__ == "__main__":
    export(load, "timm")
