"""Predictions of a Hugging Face checkpoint: a test run on a labelled split, or an inference job on images.

From the environment (contract §2), or `predict.py --checkpoint checkpoint-100 --image photo.jpg --output out`.
"""


import offline  # noqa: F401  before transformers
from load import detector, load, trained_for
from trainer_vision import inference
from trainer_vision.classifier_predict import predict
from trainer_vision.segmenter import named_checkpoint, predict_masks

if __name__ == "__main__":
    task = trained_for(named_checkpoint())
    if task == "object_detection":
        inference.predict(detector)
    elif task == "semantic_segmentation":
        predict_masks(load)
    else:
        predict(load)
