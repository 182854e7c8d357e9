#!/usr/bin/env python3
"""Make a package for a hub of a trainer of this repository: its folder, with the two packages that it imports.

    make package TRAINER=timm                       # dist/timm
    python3 trainers/package.py timm FOLDER

A package of `trainer-agent init` is whole already. timm, ultralytics and huggingface lie beside trainer_sdk and
trainer_vision here, and their images have them; a hub proves a package by what is in it and in its requirements.txt.
"""

import argparse
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
TRAINERS = ("huggingface", "timm", "ultralytics")
IMPORTED = ("sdk/trainer_sdk", "vision/trainer_vision")


def package(trainer: str, folder: Path) -> None:
    """Writes the package into a folder that is not there yet."""
    for source, to in [(trainer, folder), *((name, folder / Path(name).name) for name in IMPORTED)]:
        shutil.copytree(HERE / source, to, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainer", choices=TRAINERS)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    if args.folder.exists():
        parser.error(f"{args.folder} is there already: remove it, or name another folder")
    package(args.trainer, args.folder)
    print(f"{args.folder} is whole. Next: trainer-agent publish {args.folder} --dry-run --wait")
    print(f"The name {args.trainer} is the platform's: only a hub's operator publishes it. For one of yours change framework in capabilities.json and config_schema.py.")


if __name__ == "__main__":
    main()
