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
        remove(part(folder / name))


def hand(*targets: Path) -> None:
    """Give files and folders their names, when each is whole as `part`: a job that is killed before leaves none of them, and not some."""
    for target in targets:
        part(target).rename(target)


def part(target: Path) -> Path:
    """Where a file is written or brought from another disk: what no agent uploads."""
    return target.with_name(f".{target.name}.tmp")


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
