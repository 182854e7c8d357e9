"""Wheels of a release: `pip install trainer-agent` brings the binaries, the modules trainer_sdk and trainer_vision, and `python -m trainer_agent`.

The binaries are the release's own bytes. The same inputs give the same wheel: hatchling takes times from SOURCE_DATE_EPOCH
and sorts names.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A static binary needs no libc: the oldest tags of both say so. The GPU probe needs glibc; the agent goes on without it.
TAGS = {
    "linux/amd64": "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
    "linux/arm64": "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
    "darwin/arm64": "macosx_11_0_arm64",
}
TOOLS = ["hatchling==1.27.0", "twine==6.2.0"]
# 1980-02-01: the first month that a zip can hold in every time zone.
EPOCH = "318211200"


def pep440(version: str) -> str:
    """What git describe says, as Python writes versions: v1.2.3-4-gabc is the fourth commit towards the next release."""
    tag = re.fullmatch(r"v?(\d+\.\d+\.\d+)(?:-?(rc|a|b)\.?(\d+))?(?:-(\d+)-g([0-9a-f]+))?(-dirty)?", version)
    if tag:
        number, pre, n, commits, commit, dirty = tag.groups()
        local = ".".join(filter(None, [f"g{commit}" if commit else "", "dirty" if dirty else ""]))
        return number + (f"{pre}{n}" if pre else "") + (f".post{commits}" if commits else "") + (f"+{local}" if local else "")
    return "0.0.0+" + (re.sub(r"[^0-9A-Za-z]+", ".", version).strip(".") or "unknown")


def tools(folder: Path) -> Path:
    """A virtual environment with the builder and the checker; made once."""
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as alone:  # two workers of the tests may ask for it at once
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not (folder / "bin" / "twine").is_file():
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *TOOLS], check=True)
    return python


def build(platform: str, binaries: list[Path], version: str, out: Path) -> Path:
    """Build the wheel of one platform from its binaries, named NAME-SYSTEM-ARCH, and check its metadata."""
    python = tools(ROOT / ".tools" / "wheel")
    with tempfile.TemporaryDirectory(prefix="trainer-agent-wheel-") as folder:
        place = Path(folder, "src")
        shutil.copytree(ROOT / "release" / "wheel", place, ignore=shutil.ignore_patterns("__pycache__"))
        for package in ("sdk/trainer_sdk", "vision/trainer_vision"):
            shutil.copytree(ROOT / "trainers" / package, place / Path(package).name, ignore=shutil.ignore_patterns("__pycache__"))
        (place / "README.md").write_text((ROOT / "release" / "wheel" / "README.md").read_text())
        project = place / "pyproject.toml"
        project.write_text(project.read_text().replace('version = "0.0.0"', f'version = "{pep440(version)}"'))
        (place / "bin").mkdir()
        for binary in binaries:
            name = binary.name.removesuffix("-" + platform.replace("/", "-"))
            shutil.copyfile(binary, place / "bin" / name)
            (place / "bin" / name).chmod(0o755)
        made = Path(folder, "made")
        env = os.environ | {"SOURCE_DATE_EPOCH": EPOCH, "WHEEL_PLATFORM": TAGS[platform]}
        for command in ([python, "-m", "hatchling", "build", "-t", "wheel", "-d", made], [python, "-m", "twine", "check", "--strict", made / "*.whl"]):
            done = subprocess.run([str(c) for c in command], cwd=place, env=env, capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"release: building the wheel of {platform}:\n{done.stdout}{done.stderr}")
        (wheel,) = made.iterdir()
        shutil.copyfile(wheel, out / wheel.name)
        return out / wheel.name
