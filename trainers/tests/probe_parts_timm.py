"""One epoch of six images with the timm trainer's own loop, its backbone frozen; prints what of the model changed, and val_loss beside what the images say.

The folder of the trainer is on PYTHONPATH. Argument: the dataset.
"""

import contextlib
import json
import math
import sys
import tempfile

import torch
import train
from config_schema import schema
from trainer_sdk import Job, Platform, check_options

torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(sys.stderr):
    settings = {"TASK_TYPE": "image_classification", "MODEL_NAME": "test_resnet", "DATASET_DIR": sys.argv[1], "OUTPUT_DIR": out, "BATCH_SIZE": "3", "IMAGE_SIZE": "64", "NUM_WORKERS": "0", "LEARNING_RATE": "0.01"}
    job = Job.load((), settings)
    training = train.Training(job, Platform(job, rank=1), check_options({"freeze_backbone": True, "smoothing": 0.3}, schema()))
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    training._train_epoch()
    validated, loss = training._validate()
changed = sorted(name for name, value in training.model.state_dict().items() if not torch.equal(value, before[name]))
true = [next(c["confidence"] for c in i["predictions"]["top5"] if c["class_id"] == i["ground_truth"]["class_id"]) for i in validated.images()]
norms = sum(name.endswith("running_var") for name in before)
print(json.dumps({"changed": changed, "norms": norms, "val_loss": loss, "images": sum(-math.log(c) for c in true) / len(true)}))
