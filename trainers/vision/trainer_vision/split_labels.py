"""Refuses a split without a single label before the first batch. Standard library only.

From such a train nothing is learned. On such a val every epoch measures the same: a model that finds nothing has all of it
right, and it would become the best one.
"""

from __future__ import annotations

from trainer_sdk import JobError

WITHOUT = {"train": "to learn"}


def check_labelled(split: str, images: int, labelled: bool) -> None:
    """A part of the images may well be background; `labelled` says whether one of them is not."""
    if not labelled:
        raise JobError(
            f"{split}: none of the {images} images has a labelled object: there is nothing {WITHOUT.get(split, 'to measure against')}. "
            "Annotate some of them, or divide the dataset otherwise (SPLIT_STRATEGY)"
        )
