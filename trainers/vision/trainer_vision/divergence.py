"""Weights that are no numbers any more: no later epoch brings them back. Needs torch."""

from __future__ import annotations

import torch
from torch import nn
from trainer_sdk import JobError


def check_weights(model: nn.Module, epoch: int) -> None:
    """End a training whose weights became NaN or infinite in this epoch, before it is measured and saved: the checkpoints of the epochs before stay."""
    if broken := next((name for name, value in model.named_parameters() if not torch.isfinite(value).all()), None):
        raise JobError(f"the training has diverged: after epoch {epoch} the weights of the model are NaN or infinite, first {broken}. Set a lower LEARNING_RATE or a longer warm-up")
