"""The files that an export leaves in its output folder. Standard library only."""

from __future__ import annotations

import shutil
from pathlib import Path

from trainer_sdk.export import SUFFIXES

REPORT = "validation.json"  # of an export that failed it


def clear(folder: Path) -> None:
    """Take away what an earlier export has left: a job that begins again may be for another format."""
    for name in (*(f"model{suffix}" for suffix in SUFFIXES.values()), "metadata.json", "package.zip", REPORT):
        remove(folder / name)
        remove(partial(folder / name))


def hand(source: Path, target: Path) -> None:
    """Move a file or a folder. Under its name it is whole: the two may lie on two disks, and the job may be killed meanwhile."""
    shutil.move(source, partial(target))
    partial(target).rename(target)


def partial(target: Path) -> Path:
    """What no agent uploads."""
    return target.with_name(f".{target.name}.tmp")


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
