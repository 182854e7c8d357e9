#!/usr/bin/env python3
"""Make a virtual environment with the pinned requirements of some trainers, and the packages of this folder.

    python3 trainers/venv.py --venv .venv plain
    python3 trainers/venv.py --venv .venv ultralytics timm huggingface tests

trainer_sdk and trainer_vision are installed as they stand here, so an edit is
seen at once; "plain" is the starter that needs NumPy and no framework. Standard library only. Prints what
it does and, while pip is silent, one line every ten seconds with the sizes so far and the rate. Done before with the same requirements:
returns at once. torch comes from the CPU index where one is reachable (a tenth
of the size of the default build on Linux), else from the default index.
"""

import argparse
import contextlib
import hashlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TORCH_CPU_INDEX = os.environ.get("TORCH_CPU_INDEX", "https://download.pytorch.org/whl/cpu")
NEEDED = (3, 10)
TICK_SECONDS = 10
CONSTRAINTS = HERE / "constraints.txt"
INTEGRATIONS = HERE / "tests" / "integrations.txt"
TRACKERS = ["mlflow==3.4.0", "sqlalchemy==2.0.58", "tensorboard==2.21.0", "wandb==0.31.0", "setuptools<81"]
PACKAGES = [HERE / "sdk", HERE / "vision"]


def requirements(names: list[str]) -> list[Path]:
    files = [HERE / ("starter/plain" if name == "plain" else name) / "requirements.txt" for name in names]
    for file in files:
        if not file.is_file():
            sys.exit(f"venv.py: there is no {file}; trainers are {', '.join(sorted(['plain', *(p.parent.name for p in HERE.glob('*/requirements.txt'))]))}")
    return files


def stamp_of(venv: Path, files: list[Path]) -> Path:
    """A file whose name says which requirements are installed, and from which folder the packages."""
    digest = hashlib.sha256(f"{HERE} {TRACKERS}".encode())
    for file in [*files, CONSTRAINTS, INTEGRATIONS, *(package / "pyproject.toml" for package in PACKAGES)]:
        digest.update(file.read_bytes())
    return venv / f".installed-{digest.hexdigest()[:16]}"


def size_mb(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # pip moves files while we look
                total += os.lstat(os.path.join(root, name)).st_size
    return total >> 20


def run(venv: Path, what: str, command: list[str], check: bool = True) -> bool:
    """Run a command; say every ten seconds how far it is. Without check it may fail, and what it says of that is not shown."""
    print(f"== {what}", flush=True)
    venv.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="downloads-", dir=venv) as downloads:
        finished = threading.Event()
        ticker = threading.Thread(target=tell, args=(venv, Path(downloads), finished), daemon=True)
        ticker.start()
        code = subprocess.run(command, env={**os.environ, "TMPDIR": downloads}, stderr=None if check else subprocess.DEVNULL).returncode
        finished.set()
        ticker.join()
    if code != 0 and check:
        sys.exit(f"venv.py: {what} failed (exit {code}): {' '.join(command)}")
    return code == 0


def tell(venv: Path, downloads: Path, finished: threading.Event) -> None:
    """Every ten seconds: pip downloads everything first, into folders of its own, and unpacks then."""
    started, seen, before = time.monotonic(), 0, 0
    while not finished.wait(TICK_SECONDS):
        fetched = sum(size_mb(folder) for folder in downloads.glob("pip-unpack-*"))
        installed = size_mb(venv) - size_mb(downloads)
        seen = max(seen, fetched)
        rate = max(0, seen + installed - before) / TICK_SECONDS if before else 0
        print(f"   ... {time.monotonic() - started:.0f} s, {seen} MB downloaded, {installed} MB installed, {rate:.1f} MB/s", flush=True)
        before = seen + installed


def pinned_torch(files: list[Path]) -> list[str]:
    lines = {line.strip() for file in files for line in file.read_text().splitlines()}
    return sorted(line for line in lines if line.startswith(("torch==", "torchvision==")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=Path(".venv"))
    parser.add_argument("trainers", nargs="+")
    args = parser.parse_args()
    if sys.version_info < NEEDED:
        sys.exit(f"venv.py: Python {'.'.join(map(str, NEEDED))} or newer is needed, this is {sys.version.split()[0]}")

    files = requirements(args.trainers)
    venv: Path = args.venv.absolute()
    stamp = stamp_of(venv, files)
    if stamp.exists():
        print(f"== {args.venv} is up to date ({', '.join(args.trainers)})")
        return
    python = venv / "bin" / "python"
    if not python.exists():
        run(venv, f"making {args.venv}", [sys.executable, "-m", "venv", str(venv)])
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--progress-bar", "off"]

    torch = pinned_torch(files)
    if torch and sysconfig.get_platform().startswith("linux"):
        have = subprocess.run([str(python), "-c", "import torch"], capture_output=True).returncode == 0
        cpu_only = [*pip, "--timeout", "10", "--retries", "1", "--index-url", TORCH_CPU_INDEX, *torch]
        if not have and not run(venv, "looking for a CPU build of torch (200 MB to download, 800 MB unpacked)", cpu_only, check=False):
            print(f"   {TORCH_CPU_INDEX} has none or cannot be reached: taking the default build (3 GB to download, 5.4 GB unpacked). TORCH_CPU_INDEX names another index", flush=True)
    names = [argument for file in files for argument in ("-r", str(file))]
    names += [argument for package in PACKAGES for argument in ("-e", str(package))]
    run(venv, f"installing the requirements of {', '.join(args.trainers)}", [*pip, "-c", str(CONSTRAINTS), *names])
    if "tests" in args.trainers:  # in a folder of their own: what they require must not change the trainers' versions
        beside = ["--upgrade", "--no-deps", "--target", str(venv / "integrations"), "-r", str(INTEGRATIONS)]
        run(venv, "installing Lightning, Keras, fastai, openai and supervision beside them", [*pip, *beside])
        run(venv, "making an environment for trackers", [sys.executable, "-m", "venv", str(venv / "trackers")])
        run(venv, "installing MLflow's server, TensorBoard and W&B", [str(venv / "trackers" / "bin" / "python"), *pip[1:], *TRACKERS])
    stamp.touch()
    print(f"== {args.venv} is ready: {size_mb(venv)} MB", flush=True)


if __name__ == "__main__":
    main()
