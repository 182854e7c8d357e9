"""The extras of the wheel, tried for real: installed where nothing else can be imported than what they declare.

Torch is gigabytes, so no index is asked: the packages are those of the tests' own environment, of which only what an
extra requires, and what that requires in turn, is put within reach. pip refuses the extra where one is missing or too old.
"""

import os
import subprocess
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_wheels import agent, wheel  # noqa: F401 - fixtures

ROOT = Path(__file__).resolve().parent.parent
SITE = Path(os.environ.get("TRAINER_VENV", ROOT / ".venv")) / "lib"

# Each prints one line when it did what its extra is for.
TRIED = {
    "inference": """
import importlib, pkgutil, numpy as np, trainer_vision.inference as package
from trainer_vision.inference import measure
names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names: importlib.import_module(name)
import faster_coco_eval, pycocotools.mask, torchvision
box = pycocotools.mask.encode(np.asfortranarray(np.eye(4, dtype=np.uint8)))
print("tried", len(names) > 10, int(pycocotools.mask.area(box)))
""",
    "explain": """
import numpy as np, torch
from trainer_vision.inference.explain import gradients, heat, perturb
picture = np.zeros((32, 32, 3), np.uint8); picture[8:16, 8:16] = 255
score = lambda pictures: np.array([p[8:16, 8:16].mean() / 255 for p in pictures])
hot = perturb.perturb(picture, score, "lime", samples=200)
print("tried", hot[8:16, 8:16].mean() > hot[20:, 20:].mean(), 1)
""",
}


def closure(names: list[str], site: Path) -> dict[str, metadata.Distribution]:
    """The distributions of some names in an environment, with all that they require here."""
    there = {canonicalize_name(d.metadata["Name"]): d for d in metadata.distributions(path=[str(site)])}
    found: dict[str, metadata.Distribution] = {}
    waiting = [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in found or name not in there:
            continue  # what is missing is for pip to say
        found[name] = there[name]
        more = [Requirement(text) for text in there[name].requires or []]
        waiting += [r for r in more if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras))]
    return found


def expose(found: dict[str, metadata.Distribution], site: Path, folder: Path) -> None:
    """A folder with the files of these distributions and no others."""
    for one in found.values():
        for file in one.files or []:
            if not str(file).startswith("..") and file.parts[0] != "__pycache__":
                link = folder / file.parts[0]
                if not link.is_symlink():
                    link.symlink_to(site / file.parts[0])


@pytest.mark.parametrize("extra", sorted(TRIED))
def test_an_extra_is_enough_for_what_it_is_for(extra: str, wheel: Path, tmp_path: Path) -> None:  # noqa: F811
    (site,) = SITE.glob("python3*/site-packages")
    requires = next(m for m in metadata.distributions(path=[str(wheel)])).requires or []
    wanted = [text.split(";")[0] for text in requires if f"extra == '{extra}'" in text or f'extra == "{extra}"' in text]
    assert wanted
    home, visible = tmp_path / "home", tmp_path / "visible"
    visible.mkdir()
    expose(closure(wanted, site), site, visible)
    venv.create(home, with_pip=True)
    (own,) = (home / "lib").glob("python3*/site-packages")
    (own / "visible.pth").write_text(f"{visible}\n")
    python = home / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", f"{wheel}[{extra}]"], check=True)
    done = subprocess.run([python, "-c", TRIED[extra]], capture_output=True, text=True, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert done.returncode == 0 and done.stdout.startswith("tried True 1" if extra != "inference" else "tried True 4"), done.stdout + done.stderr


def test_pip_refuses_what_an_extra_lacks(wheel: Path, tmp_path: Path) -> None:  # noqa: F811
    venv.create(tmp_path / "home", with_pip=True)
    python = tmp_path / "home" / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", f"{wheel}[inference]"], capture_output=True, text=True)
    assert done.returncode != 0 and "No matching distribution found for" in done.stderr
