"""Runs a trainer's script and sends its process SIGTERM in the middle of an epoch: at the training image with the number CUT_AT,
of Ultralytics, which reads images itself, after the batch with that number.

Arguments: the script, and its own. An agent's stop arrives at any moment; here at one that a test can name.
"""

import os
import runpy
import signal
import sys
from pathlib import Path

from trainer_vision import folders

script = sys.argv[1]
sys.argv = sys.argv[1:]
sys.path[0] = str(Path(script).parent)
read_image, cut_at, count = folders.read_image, int(os.environ["CUT_AT"]), 0


def cut() -> None:
    global count
    count += 1
    if count == cut_at:
        os.kill(os.getpid(), signal.SIGTERM)


def read(path: Path) -> object:
    if "/train/" in str(path):
        cut()
    return read_image(path)


folders.read_image = read
if "ultralytics" in script:
    import offline  # noqa: F401  before ultralytics
    from job_trainer import JobTrainerMixin

    after_batch = JobTrainerMixin._stop_within_epoch

    def stop_within_epoch(trainer: JobTrainerMixin) -> None:
        cut()
        after_batch(trainer)

    JobTrainerMixin._stop_within_epoch = stop_within_epoch
runpy.run_path(script, run_name="__main__")
