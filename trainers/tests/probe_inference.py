"""What can go wrong around a YOLO model: prints what becomes of a batch while the clock runs away, as on a machine that is busy, of a picture that
is a pixel high, of a model whose answer to one image is NaN, of a size that the stride does not divide, of places that a model in half precision tells, and of a checkpoint that is none."""

import itertools
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

os.environ["YOLO_VERBOSE"] = "false"

import offline  # noqa: F401  before ultralytics
import torch
import yolo
from trainer_sdk import Job, JobError
from trainer_sdk.inference import InferenceRequest
from trainer_vision.deploy.formats.onnx import Half
from trainer_vision.inference.predictor import finite
from ultralytics import YOLO

from deploy import Raw

request = InferenceRequest.load(Job.load((), {}), (), {"CHECKPOINT_FILE": __file__, "IMAGE_FILES": json.dumps([__file__]), "IMAGE_SIZE": "64"})
detector = yolo.Detector(YOLO("yolo11n.yaml"), request, "cpu")
answer = torch.zeros(3, 84, 2)  # images; a box and the scores of the classes; candidates
answer[:, :4] = torch.tensor([20.0, 20.0, 10.0, 10.0])[:, None]
answer[:, 4] = 0.9
with mock.patch("time.time", itertools.count(0, 1000).__next__):
    found = detector.decode((answer, torch.zeros(3, 3, 64, 64)), [(64, 64)] * 3, False)
answer[1, :, 1] = torch.nan
nan = [finite(objects) for objects in detector.decode((answer, torch.zeros(3, 3, 64, 64)), [(64, 64)] * 3, False)]
masks = torch.ones(3, 32, 16, 16)
masks[2, 0, 0, 0] = torch.inf
nan += [not broken for broken in yolo.not_a_number(torch.zeros(3, 6, 2), masks)]
thin = yolo.explanation.Letter(detector.letterbox, (1000, 1))
larger = yolo.detector(YOLO("yolo11n.yaml"), Job.load((), {}), replace(request, image_size=70), "cpu").settings["image_size"]
whole = Raw(YOLO("yolo11n-pose.yaml").model.eval(), (640, 640))
half = Half(whole)
said = {"boxes": 4 * torch.rand(1, 64, 8400).half(), "scores": torch.rand(1, 1, 8400).half(), "kpts": torch.rand(1, 51, 8400).half(), "feats": [torch.zeros(1, 1, 80, 80)]}
with torch.inference_mode():
    places = [one.network.model[-1]._inference(dict(told)) for one, told in ((half.model, said), (whole, {k: v.float() if k != "feats" else v for k, v in said.items()}))]
Path("none.onnx").write_text("no model")
try:
    yolo.Detector(yolo.load_model(Path("none.onnx")), replace(request, checkpoint=Path("none.onnx")), "cpu")
except JobError as error:
    refused = str(error)
print(json.dumps({"boxes": [len(objects) for objects in found], "operator": "torchvision" in sys.modules, "thin": thin.inner, "larger": larger, "finite": nan, "apart": round(float((places[0] - places[1]).abs().max()), 2), "refused": refused}))
