"""Predictions of a timm checkpoint: a test run on a labelled split, or an inference job on images.

From the environment (contract §2), or `predict.py --checkpoint best.pt --image photo.jpg --output out`.
"""


from load import load, segments
from trainer_vision.classifier_predict import predict
from trainer_vision.segmenter import named_checkpoint, predict_masks

if __name__ == "__main__":
    (predict_masks if segments(named_checkpoint()) else predict)(load)
