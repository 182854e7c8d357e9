"""Asks the Ultralytics trainer, in a process of its own, what it makes of its settings; prints JSON.

Without an argument: the fields of the schema that do not arrive in Ultralytics' arguments. With a
JSON list of environments: what is said against each, null for one that is accepted.
"""

import json
import os
import sys

os.environ["YOLO_VERBOSE"] = "false"

import train
from config_schema import FIELDS, PRESETS, schema
from options import changed
from trainer_sdk import Job, JobError, check_options
from ultralytics.cfg import get_cfg


def refusal(env: dict[str, str]) -> str | None:
    try:
        job = Job.load((), env)
        train.build_overrides(job, check_options(job.options, schema(), also=train.PASSED_ON, refused=train.NOT_OFFERED))
    except JobError as error:
        return str(error)
    return None


def lost_fields() -> list[str]:
    job = Job.load((), {"TASK_TYPE": "object_detection", "MODEL_NAME": "yolo11n", "LEARNING_RATE": "0.007", "EPOCHS": "3", "BATCH_SIZE": "5", "IMAGE_SIZE": "128", "NUM_WORKERS": "6"})
    settings = {"lr0": 0.007, "epochs": 3, "batch": 5, "imgsz": 128, "workers": 6, "device": "cpu"}
    lost = []
    for field in FIELDS:
        value = changed(field)
        arguments = get_cfg(overrides=train.build_overrides(job, check_options({field["name"]: value}, schema())))
        expected = {**settings, field["name"]: False if field["name"] == "amp" else value}  # amp is always off on CPU
        lost += [name for name, wanted in expected.items() if getattr(arguments, name) != wanted]
    for preset in PRESETS.values():
        check_options(preset, schema())
    return lost


print(json.dumps([refusal(env) for env in json.loads(sys.argv[1])] if sys.argv[1:] else lost_fields()))
