"""A training goes on as what it was: its checkpoint is compared with the job before anything is built. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer_sdk import Job, JobError

ANEW = "use another JOB_ID, or AGENT_RESUME=off to begin anew"


def check_same(job: Job, task: str | None, model: str | None) -> None:
    """`task` and `model` are the checkpoint's, None or empty where it does not say. A model is the same under its owner's name and without."""
    if task and task != job.task:
        raise JobError(f"TASK_TYPE is {job.task}, the checkpoint to resume is of {task}: {ANEW}")
    if model and job.model and model.rsplit("/", 1)[-1] != job.model.rsplit("/", 1)[-1]:
        raise JobError(f"MODEL_NAME is {job.model}, the checkpoint to resume is of {model}: {ANEW}")


def check_same_classes(checkpoint: Path, theirs: Sequence[str], ours: Sequence[str]) -> None:
    if list(theirs) != list(ours):
        raise JobError(f"the checkpoint {checkpoint} has the classes {list(theirs)}, the dataset {list(ours)}: {ANEW}")
