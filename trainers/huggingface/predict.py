"""Predictions of a Hugging Face checkpoint: a test run on a labelled split, or an inference job on images.

From the environment (contract §2), or `predict.py --checkpoint checkpoint-100 --image photo.jpg --output out`.
"""


import offline  # noqa: F401  before transformers
from load import load
from trainer_vision.classifier_predict import predict

if __name__ == "__main__":
    predict(load)
