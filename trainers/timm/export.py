"""Converts a timm checkpoint to onnx or torchscript.

From the environment (contract §2), or `export.py --checkpoint best.pt --format onnx --output out`.
"""


from load import load
from trainer_vision.classifier_export import export

if __name__ == "__main__":
    export(load, "timm")
