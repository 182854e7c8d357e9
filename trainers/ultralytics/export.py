"""Exports a YOLO checkpoint for deployment.

From the environment (contract §2), or `export.py --checkpoint best.pt --format onnx --output out`.
"""


import offline  # noqa: F401  before ultralytics
from trainer_vision.deploy.job import export

from deploy import subject

if __name__ == "__main__":
    export(subject)
