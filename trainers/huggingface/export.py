"""Exports a Hugging Face checkpoint for deployment.

From the environment (contract §2), or `export.py --checkpoint checkpoint-100 --format onnx --output out`.
"""


import offline  # noqa: F401  before transformers
from load import load
from positions import fix
from trainer_vision.deploy.classifiers import subjects
from trainer_vision.deploy.job import export

if __name__ == "__main__":
    export(subjects(load, "huggingface", fix))
