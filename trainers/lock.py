#!/usr/bin/env python3
"""Write the locks that the images are installed from: every package that a trainer needs, with its version and hashes.

    make lock                 after a change of a requirements.txt
    python3 trainers/lock.py --uv PATH [--upgrade]

requirements.lock has everything. requirements.cpu.lock is without torch and what
torch needs of CUDA: images with VARIANT=cpu take that build from its own index, by
torch.cpu.lock, which is written by hand because PyPI has no hashes of it. setuptools is in neither: Python's own
image brings it. constraints.txt has one version of
each package for all trainers, which venv.py keeps to too.
"""

import argparse
import re
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
TRAINERS = ("huggingface", "timm", "ultralytics")
CONSTRAINTS = HERE / "constraints.txt"
PYTHON = "3.11"  # of the images
OF_CUDA = re.compile(r"^(torch|torchvision|triton|nvidia-(?!ml-py)[a-z0-9-]+|cuda-[a-z]+)==", re.MULTILINE)


def compiled(uv: str, sources: list[Path], output: Path, *more: str) -> None:
    common = ["--quiet", "--universal", "--no-annotate", "--no-header", "--python-version", PYTHON, "--no-emit-package", "setuptools"]
    subprocess.run([uv, "pip", "compile", *common, *more, *map(str, sources), "--output-file", str(output)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uv", required=True)
    parser.add_argument("--upgrade", action="store_true", help="take the newest version of what no requirements.txt pins")
    args = parser.parse_args()
    sources = [HERE / trainer / "requirements.txt" for trainer in TRAINERS]
    compiled(args.uv, sources, CONSTRAINTS, *(["--upgrade"] if args.upgrade else []))
    for source in sources:
        lock = source.with_suffix(".lock")
        compiled(args.uv, [source], lock, "--generate-hashes", "--constraint", str(CONSTRAINTS), "--upgrade")
        cuda = OF_CUDA.finditer(lock.read_text())
        without = [argument for match in cuda for argument in ("--no-emit-package", match[1])]
        compiled(args.uv, [source], source.with_suffix(".cpu.lock"), "--generate-hashes", "--constraint", str(CONSTRAINTS), "--upgrade", *without)
        print(f"{source.parent.name}: {len(re.findall('^[a-z].*==', lock.read_text(), re.MULTILINE))} packages")


if __name__ == "__main__":
    main()
