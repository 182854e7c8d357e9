"""Trains my-trainer on a prepared dataset: the training loop and nothing that the agent does.

The job comes from the environment that trainer-agent prepares, or from the arguments of the
platform's command-line convention. Downloads, uploads, retries and metrics of the machine are the agent's.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import data
import model
import torch
from config_schema import schema
from torch import nn
from torch.utils.data import DataLoader, Dataset
from trainer_sdk import Job, JobError, Platform, check_options, run
from trainer_vision.metrics import ClassifierResults, results


class Images(Dataset[tuple[torch.Tensor, int, str]]):
    """(image, class index, file) of one split."""

    def __init__(self, job: Job, split: str, flip: bool = False) -> None:
        self.root, self.samples = job.dataset_dir / split, data.samples(job, split)
        self.size, self.flip = job.image_size, flip

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, str]:
        path, label = self.samples[index]
        image = model.read(path, self.size)
        if self.flip and torch.rand(()) < 0.5:
            image = image.flip(2)
        return image, label, str(path.relative_to(self.root))


def main(job: Job, platform: Platform) -> None:
    job.check_task(["image_classification"])
    options = check_options(job.options, schema())
    device = model.device(job.device)
    network, optimizer, completed, best = start(job, data.class_names(job), options, device)
    train, val = Images(job, "train", options["flip"]), Images(job, "val")
    metrics: dict[str, float] = {}
    for epoch in range(completed + 1, job.epochs + 1):
        torch.manual_seed(options["seed"] + epoch)  # a resumed training equals an uninterrupted one
        loss = train_epoch(platform, network, optimizer, DataLoader(train, job.batch_size, shuffle=True, num_workers=job.workers), device)
        if platform.stop_requested:  # SIGTERM: when the job is started again, this epoch is trained again
            platform.event("training_stopped", f"Stopped after epoch {epoch - 1} of {job.epochs}", {"epoch": epoch - 1})
            return
        started = time.monotonic()
        found, val_loss = validate(network, DataLoader(val, job.batch_size, num_workers=job.workers), device)
        metrics = {"loss": loss, "val_loss": val_loss, **found.metrics(), "learning_rate": job.learning_rate}
        print(f"epoch {epoch}/{job.epochs}: loss {loss:.4f}, val_loss {val_loss:.4f}, accuracy {metrics['accuracy']:.4f}", flush=True)
        platform.heartbeat(epoch, metrics)
        images = platform.write_image_results(epoch, found.images())
        if platform.validation(epoch, metrics, seconds=time.monotonic() - started, image_results_path=images, **found.validation()):
            best = {**metrics, "best_epoch": epoch}
        state = {"epoch": epoch, "best": best, "optimizer": optimizer.state_dict()}
        if best.get("best_epoch") == epoch:
            model.save(network, job.checkpoint_dir / "best.pt", **state)
        model.save(network, job.checkpoint_dir / "last.pt", **state)
        if job.checkpoint_frequency and epoch % job.checkpoint_frequency == 0:
            model.save(network, job.checkpoint_dir / f"epoch-{epoch}.pt", **state)
    platform.done(best or metrics, checkpoint_path="checkpoints/best.pt")


def start(job: Job, names: list[str], options: dict[str, Any], device: torch.device) -> tuple[model.Network, torch.optim.Optimizer, int, dict[str, float]]:
    """Model, optimizer, the epochs that are done and the best of them: fresh, from pretrained weights, or where an earlier run ended."""
    state: dict[str, Any] = {}
    if job.resume_checkpoint:
        network, state = model.load_state(job.resume_checkpoint)
        if network.class_names != names:
            raise JobError(f"the checkpoint {job.resume_checkpoint} has the classes {network.class_names}, the dataset {names}: use another JOB_ID, or AGENT_RESUME=off to begin anew")
    else:
        network = model.build(job.model, names, job.image_size, options["seed"])
        if job.pretrained_weights:
            load_weights(network, job.pretrained_weights)
    network.to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=job.learning_rate, momentum=options["momentum"], weight_decay=options["weight_decay"])
    if state:
        optimizer.load_state_dict(state["optimizer"])
    return network, optimizer, state.get("epoch", 0), state.get("best", {})


def load_weights(network: model.Network, path: Path) -> None:
    """Take every tensor that fits; a classifier of another size starts fresh."""
    own, weights = network.state_dict(), model.load(path).state_dict()
    network.load_state_dict({k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}, strict=False)


def train_epoch(platform: Platform, network: model.Network, optimizer: torch.optim.Optimizer, batches: DataLoader[Any], device: torch.device) -> float:
    network.train()
    total = seen = 0.0
    for images, labels, _ in batches:
        loss = nn.functional.cross_entropy(network(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, seen = total + loss.item() * len(labels), seen + len(labels)
        if platform.stop_requested:
            break
    return total / seen


@torch.inference_mode()
def validate(network: model.Network, batches: DataLoader[Any], device: torch.device) -> tuple[ClassifierResults, float]:
    network.eval()
    rows: dict[str, tuple[int, list[float]]] = {}
    total = 0.0
    for images, labels, files in batches:
        logits = network(images.to(device)).float().cpu()
        total += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        rows.update(zip(files, zip(labels.tolist(), logits.softmax(1).tolist(), strict=True), strict=True))
    return results(network.class_names, rows), total / len(rows)


if __name__ == "__main__":
    run(main)
