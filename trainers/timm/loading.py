"""The loaders of a training's images: shuffled, shared among processes, or with every class drawn as often as the others."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, DistributedSampler, Sampler, WeightedRandomSampler
from trainer_sdk import Job, JobError
from trainer_vision.folders import SplitImages
from trainer_vision.masks import SplitMasks
from trainer_vision.processes import PROCESSES


def loader(job: Job, images: SplitImages | SplitMasks, options: Mapping[str, Any], generator: torch.Generator | None = None, mixed: bool = False) -> DataLoader[Any]:
    """With a generator, whose seed decides the order, the loader of the training; without one that of the validation."""
    training = generator is not None
    batch = max(job.batch_size // PROCESSES, 1)
    sampler = _sampler(images, options, generator)
    count = len(images) if sampler is None else len(sampler)  # type: ignore[arg-type]
    # A batch norm cannot train on a single image, and mixup needs pairs.
    drop_last = training and count > batch and (count % batch == 1 or (mixed and count % batch % 2 == 1))
    if training and mixed and count <= batch and count % 2:
        raise JobError(f"mixup and cutmix need an even number of images in a batch; train has {count} for a batch of {batch}")
    return DataLoader(
        images, batch_size=batch, shuffle=training and sampler is None, sampler=sampler, num_workers=job.workers,
        pin_memory=job.device.startswith("cuda"), drop_last=drop_last, generator=generator, worker_init_fn=seed_worker,
    )


def _sampler(images: SplitImages | SplitMasks, options: Mapping[str, Any], generator: torch.Generator | None) -> Sampler[int] | None:
    if generator is not None and options["balanced_sampling"] and isinstance(images, SplitImages):
        if PROCESSES > 1:
            raise JobError("option 'balanced_sampling' is for one process; use class_weights=balanced with several")
        counts = images.counts()
        return WeightedRandomSampler([1 / counts[label] for _, label in images.samples], len(images), generator=generator)
    return DistributedSampler(images, shuffle=generator is not None, seed=options["seed"]) if PROCESSES > 1 else None


def seed_worker(_worker: int) -> None:
    """Seed numpy and random of a data loader's worker from torch's seed, which differs by worker and epoch."""
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)
