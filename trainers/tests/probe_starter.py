"""Trains the package on PYTHONPATH once for every environment of a JSON list, in one process; prints the heartbeats' metrics of each."""

import contextlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import train
from trainer_sdk import Job, Platform


class Listener(Platform):
    """Keeps the metrics of every epoch."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.heard: list[Any] = []

    def heartbeat(self, epoch: int, metrics: Mapping[str, Any], progress: float | None = None) -> None:
        self.heard.append(dict(metrics))


trainings = []
for environment in json.loads(sys.argv[1]):
    listener = Listener(Job.load((), environment))
    with contextlib.redirect_stdout(sys.stderr):
        train.main(listener.job, listener)
    trainings.append(listener.heard)
print(json.dumps(trainings))
