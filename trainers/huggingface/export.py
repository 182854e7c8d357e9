"""Converts a Hugging Face checkpoint to onnx or torchscript.

From the environment (contract §2), or `export.py --checkpoint checkpoint-100 --format onnx --output out`.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "sdk"))

import offline  # noqa: F401  before transformers
from load import load
from trainer_classifier import export

if __name__ == "__main__":
    export(load, "huggingface")
