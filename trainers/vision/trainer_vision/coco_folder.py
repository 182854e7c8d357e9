"""The prepared COCO dataset: annotations/instances_{split}.json beside images/{split}/. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trainer_sdk import ClassEntry, Job, JobError


def read_document(job: Job, split: str) -> dict[str, Any]:
    path = job.dataset_dir / "annotations" / f"instances_{split}.json"
    if not path.is_file():
        raise JobError(f"the dataset has no {path}: {job.task} wants the format coco here (AGENT_DATASET_FORMAT)")
    return json.loads(path.read_text(encoding="utf-8"))


def check_categories(categories: Sequence[Mapping[str, Any]], classes: Sequence[ClassEntry], split: str) -> None:
    """Category ids are class indices plus one, as the agent writes them."""
    if [(c["id"] - 1, c["name"]) for c in categories] != [(c.index, c.name) for c in classes]:
        raise JobError(f"{split}: the categories {[c['name'] for c in categories]} are not the classes {[c.name for c in classes]} of classes.json; prepare the dataset again")
