"""Predictions of a timm checkpoint: a test run on a labelled split, or an inference job on images.

From the environment (contract §2), or `predict.py --checkpoint best.pt --image photo.jpg --output out`.
"""


from load import load
from trainer_vision.classifier_predict import predict

if __name__ == "__main__":
    predict(load)
