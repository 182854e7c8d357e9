"""Settings that nobody set, chosen for the model, and what is said of them. Standard library only."""

from __future__ import annotations

import os
from typing import Any

from trainer_sdk import Job, JobError, Platform
from trainer_sdk.metrics import is_first_process

ABSURD = 50.0  # times the usual rate, or a fraction of it


def say(line: str) -> None:
    """Once in the log of a training of several processes, as its events are."""
    if is_first_process():
        print(line, flush=True)


def choose(job: Job, platform: Platform, model: str, **values: Any) -> Job:
    """The job with `values` where nobody set them; the log and an event say what was chosen.

    None leaves a setting as the SDK has it.
    """
    chosen = {name: value for name, value in values.items() if value is not None and name in job.unset}
    if chosen:
        listed = ", ".join(f"{name.upper()}={value}" for name, value in chosen.items())
        message = f"not set, chosen for {model}: {listed}"
        say(f"[trainer] {message}")
        platform.event("settings_chosen", message[0].upper() + message[1:], chosen)
    return job.choose(**chosen)


def say_resumed(job: Job, epoch: int) -> None:
    """Whether anything is left to train: a job may ask for fewer epochs than the checkpoint has."""
    finished = f"the run is finished already with {epoch} epochs: EPOCHS={job.epochs} leaves nothing to train"
    say(f"[trainer] {f'resumed after epoch {epoch} of {job.epochs}' if epoch < job.epochs else finished}")


def say_stopped_early(job: Job, platform: Platform, epoch: int, best_epoch: int, patience: int) -> None:
    """The agent warns of trainings that end before EPOCHS, unless they say that it is meant."""
    message = f"{job.primary_metric} was not better than in epoch {best_epoch} for {patience} epoch{'s' if patience > 1 else ''}: the training ends early, after epoch {epoch} of {job.epochs}"
    say(f"[trainer] {message}")
    platform.event("early_stopped", message, {"epoch": epoch, "best_epoch": best_epoch, "patience": patience})


def warn_of_rate(job: Job, platform: Platform, usual: float) -> None:
    """A LEARNING_RATE far from what suits the model is trained with as asked, and said."""
    if usual * ABSURD < job.learning_rate or job.learning_rate < usual / ABSURD:
        message = f"LEARNING_RATE {job.learning_rate:g} is far from the {usual:g} that suits {job.model}"
        say(f"[trainer] warning: {message}")
        platform.event("learning_rate_unusual", message, {"learning_rate": job.learning_rate, "usual": usual})


def refuse_frozen_noise(job: Job, options: dict[str, Any]) -> None:
    if options["freeze_backbone"] and job.pretrained_weights is None and job.resume_checkpoint is None:
        raise JobError("option 'freeze_backbone' trains only the classifier on top of random features: give pretrained weights, or set freeze_backbone to false")


def say_from_scratch(job: Job, platform: Platform) -> None:
    """A training without pretrained weights needs many more images and epochs: nobody should learn that from the result."""
    if job.pretrained_weights is None and job.resume_checkpoint is None and job.pretrained:
        message = f"{job.model} starts from scratch: there are no pretrained weights of it"
        hint = f"put some to weights/{os.environ.get('FRAMEWORK', 'FRAMEWORK')}/{job.model}/ in the bucket or into the image (trainer-agent weights add), give PRETRAINED_WEIGHT_URL, or set PRETRAINED=false if this is meant"
        say(f"[trainer] {message}; {hint}")
        platform.event("training_from_scratch", f"{message}. To change that, {hint}", {"model": job.model})
