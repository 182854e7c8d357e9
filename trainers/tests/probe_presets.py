"""Trains with each option set of a JSON list in one process; prints the best value of the primary metric of each.

The folder of the trainer is on PYTHONPATH. Arguments: trainer, environment of the job, list of options, all as JSON. With KEEP in
the environment the outputs stay in its OUTPUT_DIR, which one option set can use.
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
        self.values: list[float] = []

    def heartbeat(self, epoch: int, metrics: Mapping[str, Any], progress: float | None = None) -> None:
        self.values.append(float(metrics[self.job.primary_metric]))


torch.set_num_threads(1)
environment, option_sets = json.loads(sys.argv[2]), json.loads(sys.argv[3])
best = []
for options in option_sets:
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(sys.stderr):
        job = Job.load((), {**environment, "OUTPUT_DIR": environment["OUTPUT_DIR"] if "KEEP" in environment else out, "CONFIG_JSON": json.dumps({"config": options})})
        job.checkpoint_dir.mkdir(parents=True)
        listener = Listener(job)
        train.main(job, listener)
    best.append(max(listener.values))
print(json.dumps(best))
