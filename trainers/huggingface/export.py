"""Converts a Hugging Face checkpoint to onnx or torchscript.

From the environment (contract §2), or `export.py --checkpoint checkpoint-100 --format onnx --output out`.
"""


import offline  # noqa: F401  before transformers
from load import load
from trainer_vision.classifier_export import export

if __name__ == "__main__":
    export(load, "huggingface")
