"""What the first batch would fail with, before it is read. Needs torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from trainer_sdk import JobError


def check_first_batch(model: nn.Module, batch_size: int, image_size: int, argument: str = "", **more: Any) -> None:
    """Run the model once in training mode without memory: on images without pixels, with weights without numbers.

    `argument` is the name under which forward takes the images; empty = the first one.
    """
    images = torch.zeros(batch_size, 3, image_size, image_size, device="meta")
    ghost = {name: tensor.to("meta") for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    was_training = model.training
    model.train()
    try:
        torch.func.functional_call(model, ghost, () if argument else (images,), {argument: images, **more} if argument else more)
    except (ValueError, RuntimeError, AssertionError) as error:
        advice = "set BATCH_SIZE to 2 or more (with as many images to train on), or a larger IMAGE_SIZE" if "more than 1 value per channel" in str(error) else "set another IMAGE_SIZE"
        raise JobError(f"the model cannot train on batches of {batch_size} images of {image_size} px: {error}. {advice}") from error
    finally:
        model.train(was_training)
