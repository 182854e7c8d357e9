"""Test runs and inference jobs of any trainer: it gives a Predictor, everything around the model is here.

    from trainer_vision.inference import Predictor, predict

    def load(job, request): return Predictor(names=..., prepare=..., infer=..., decode=...)

    if __name__ == "__main__": predict(load)

Needs numpy and Pillow; test runs that measure boxes, outlines or keypoints need faster-coco-eval.
"""

from .predictor import Mask, Objects, Predictor
from .running import predict

__all__ = ["Mask", "Objects", "Predictor", "predict"]
