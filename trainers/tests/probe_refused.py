"""Asks a trainer, in one process, to train several jobs that it must refuse; prints what it says against each, null where it trained.

The folder of the trainer is on PYTHONPATH. Arguments: trainer, JSON list of environments. Each goes the way of a job but for the process
and the callbacks, which one refused job of each trainer shows as well.
"""

import contextlib
import json
import sys

if sys.argv[1] != "timm":
    import offline  # noqa: F401  before the framework
import torch
import train
from trainer_sdk import Job, JobError, Platform
from trainer_sdk.process import words


def refusal(env: dict[str, str]) -> str | None:
    job = Job.load((), env)
    job.checkpoint_dir.mkdir(parents=True, exist_ok=True)
    try:
        train.main(job, Platform(job))
    except JobError as error:
        return words(error)
    return None


torch.set_num_threads(1)
with contextlib.redirect_stdout(sys.stderr):
    said = [refusal(env) for env in json.loads(sys.argv[2])]
print(json.dumps(said))
