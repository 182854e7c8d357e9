"""Trains my-trainer on a prepared dataset: the training loop and nothing that the agent does.

The job comes from the environment that trainer-agent prepares, or from the arguments of the
platform's command-line convention. Downloads, uploads, retries and metrics of the machine are the agent's.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import data
import model
import numpy as np
from config_schema import schema
from trainer_sdk import Job, JobError, Platform, check_options, run
from trainer_vision.metrics import ClassifierResults, results


def main(job: Job, platform: Platform) -> None:
    job.check_task(["image_classification"])
    options = check_options(job.options, schema())
    names = data.class_names(job)
    train, val = load_split(job, "train"), load_split(job, "val")
    network, completed, best = start(job, names, options)
    metrics: dict[str, float] = {}
    for epoch in range(completed + 1, job.epochs + 1):
        loss = train_epoch(job, platform, network, train, options, epoch)
        if platform.stop_requested:  # SIGTERM: when the job is started again, this epoch is trained again
            platform.event("training_stopped", f"Stopped after epoch {epoch - 1} of {job.epochs}", {"epoch": epoch - 1})
            return
        started = time.monotonic()
        found, val_loss = validate(network, val)
        metrics = {"loss": loss, "val_loss": val_loss, **found.metrics(), "learning_rate": job.learning_rate}
        print(f"epoch {epoch}/{job.epochs}: loss {loss:.4f}, val_loss {val_loss:.4f}, accuracy {metrics['accuracy']:.4f}", flush=True)
        platform.heartbeat(epoch, metrics)
        images = platform.write_image_results(epoch, found.images())
        if platform.validation(epoch, metrics, seconds=time.monotonic() - started, image_results_path=images, **found.validation()):
            best = {**metrics, "best_epoch": epoch}
            model.save(network, job.checkpoint_dir / "best.ckpt", epoch=epoch, best=best)
        model.save(network, job.checkpoint_dir / "last.ckpt", epoch=epoch, best=best)
        if job.checkpoint_frequency and epoch % job.checkpoint_frequency == 0:
            model.save(network, job.checkpoint_dir / f"epoch-{epoch}.ckpt", epoch=epoch, best=best)
    platform.done(best or metrics, checkpoint_path="checkpoints/best.ckpt")


def start(job: Job, names: list[str], options: dict[str, Any]) -> tuple[model.Network, int, dict[str, float]]:
    """The model, the epochs that are done and the best of them: fresh, from pretrained weights, or where an earlier run ended."""
    if job.resume_checkpoint:
        network, state = model.load_state(job.resume_checkpoint)
        if network.class_names != names:
            raise JobError(f"the checkpoint {job.resume_checkpoint} has the classes {network.class_names}, the dataset {names}: use another JOB_ID, or AGENT_RESUME=off to begin anew")
        return network, state["epoch"], state["best"]
    network = model.build(job.model, names, job.image_size, options["seed"])
    if job.pretrained_weights:
        weights = model.load(job.pretrained_weights).weights
        network.weights.update({k: v for k, v in weights.items() if k in network.weights and network.weights[k].shape == v.shape})
    return network, 0, {}


def load_split(job: Job, split: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The files, images and labels of a split. A large dataset would be read batch by batch instead."""
    samples = data.samples(job, split)
    with ThreadPoolExecutor(max(job.workers, 1)) as pool:
        images = list(pool.map(lambda sample: model.read(sample[0], job.image_size), samples))
    files = [str(path.relative_to(job.dataset_dir / split)) for path, _ in samples]
    return files, np.stack(images), np.array([label for _, label in samples])


def train_epoch(job: Job, platform: Platform, network: model.Network, split: tuple[list[str], np.ndarray, np.ndarray], options: dict[str, Any], epoch: int) -> float:
    """One pass over the images; seeded by the epoch, so a resumed training equals an uninterrupted one."""
    _, images, labels = split
    rng = np.random.default_rng([options["seed"], epoch])
    order = rng.permutation(len(labels))
    losses = []
    for begin in range(0, len(order), job.batch_size):
        if platform.stop_requested:
            break
        batch = order[begin : begin + job.batch_size]
        pictures = images[batch]
        if options["flip"]:
            mirrored = rng.random(len(batch)) < 0.5
            pictures[mirrored] = pictures[mirrored][..., ::-1]
        losses.append(network.step(pictures, labels[batch], job.learning_rate, options["momentum"], options["weight_decay"]))
    return float(np.mean(losses)) if losses else 0.0


def validate(network: model.Network, split: tuple[list[str], np.ndarray, np.ndarray]) -> tuple[ClassifierResults, float]:
    files, images, labels = split
    scores = model.probabilities(network, images)
    rows = {file: (int(label), row.tolist()) for file, label, row in zip(files, labels, scores, strict=True)}
    return results(network.class_names, rows), model.cross_entropy(scores, labels)


if __name__ == "__main__":
    run(main)
