"""The prepared dataset: the agent unpacked, split and converted it; here its folders are listed.

For image classification that is {train,val,test}/{folder of the class}/*, with the class order in
classes.json. Other tasks arrive as YOLO (data.yaml) or COCO (annotations/*.json) in job.dataset_dir.
"""

from __future__ import annotations

from pathlib import Path

from trainer_sdk import Job, JobError


def samples(job: Job, split: str) -> list[tuple[Path, int]]:
    """The images of a split with their class index, in a fixed order. An unknown folder ends the job."""
    root = job.dataset_dir / split
    index = {c.folder or c.name: c.index for c in job.classes()}
    found = sorted(p.name for p in root.iterdir()) if root.is_dir() else []
    if not index or found != sorted(index):
        raise JobError(f"{root} has the folders {found}, classes.json names {sorted(index)}")
    listed = [(path, index[path.parent.name]) for path in sorted(root.glob("*/*")) if path.is_file()]
    if not listed:
        raise JobError(f"{split}: there is no image in {root}")
    return listed


def class_names(job: Job) -> list[str]:
    return [c.name for c in job.classes()]
