"""Trains with each option set of a JSON list in one process; prints for each the best value of a metric that was reported, and the last loss.

The folder of the trainer is on PYTHONPATH. Arguments: trainer, environment of the job and list of options as JSON, the metric. The
checkpoints of the last training are moved to KEEP, if the environment has it.
"""

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

if sys.argv[1] != "timm":
    import offline  # noqa: F401  before the framework
import torch
import train
from trainer_sdk import Job, Platform


class Listener(Platform):
    """Keeps what is reported."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._silent = True
        self.epochs: list[Mapping[str, Any]] = []

    def heartbeat(self, epoch: int, metrics: Mapping[str, Any], progress: float | None = None) -> None:
        self.epochs.append(metrics)


torch.set_num_threads(1)
environment, option_sets, metric = json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
found = []
for options in option_sets:
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(sys.stderr):
        job = Job.load((), {**environment, "OUTPUT_DIR": out, "CONFIG_JSON": json.dumps({"config": options})})
        job.checkpoint_dir.mkdir()
        listener = Listener(job)
        train.main(job, listener)
        if keep := environment.get("KEEP"):
            shutil.move(job.checkpoint_dir, keep)
    found.append({"best": max(float(row[metric]) for row in listener.epochs), "loss": float(listener.epochs[-1]["loss"])})
print(json.dumps(found))
