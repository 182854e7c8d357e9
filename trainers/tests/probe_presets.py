"""Trains a classifier with each option set of a JSON list, 3 epochs each, in one process; prints the best accuracy of each.

The folder of the trainer is on PYTHONPATH. Arguments: trainer, environment of the job, list of options, all as JSON.
"""

import contextlib
import json
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
        self.accuracies: list[float] = []

    def heartbeat(self, epoch: int, metrics: Mapping[str, Any], progress: float | None = None) -> None:
        self.accuracies.append(float(metrics["accuracy"]))


torch.set_num_threads(1)
environment, option_sets = json.loads(sys.argv[2]), json.loads(sys.argv[3])
best = []
for options in option_sets:
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(sys.stderr):
        job = Job.load((), {**environment, "OUTPUT_DIR": out, "CONFIG_JSON": json.dumps({"config": options})})
        job.checkpoint_dir.mkdir()
        listener = Listener(job)
        train.main(job, listener)
    best.append(max(listener.accuracies))
print(json.dumps(best))
