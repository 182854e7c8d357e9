"""Exports a timm checkpoint for deployment.

From the environment (contract §2), or `export.py --checkpoint best.pt --format onnx --output out`.
"""


from load import load
from positions import fix
from trainer_vision.deploy.classifiers import subjects
from trainer_vision.deploy.job import export

if __name__ == "__main__":
    export(subjects(load, "timm", fix))
