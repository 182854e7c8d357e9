"""What trainers/venv.py says while pip is at work."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "venv.py"

# As pip: it fills a folder of its own in TMPDIR; and it waits until that was told.
DOWNLOADING = """
import pathlib, os, sys, time
folder = pathlib.Path(os.environ["TMPDIR"], "pip-unpack-x")
folder.mkdir()
(folder / "a.whl").write_bytes(b"0" * (3 << 20))
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
"""


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("trainers_venv", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_download_is_told_before_anything_is_installed(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, lines = tmp_path / "told", []

    def listen(text: str, **_: object) -> None:
        lines.append(text)
        if " 3 MB downloaded" in text:
            told.touch()

    monkeypatch.setattr(script, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(script, "print", listen, raising=False)
    assert script.run(tmp_path / "venv", "downloading", [sys.executable, "-c", DOWNLOADING, str(told)])
    assert " 3 MB downloaded, 0 MB installed" in lines[-1]
    assert not list((tmp_path / "venv").iterdir())


def test_what_may_fail_fails_without_a_word_of_pip(script: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert not script.run(tmp_path, "looking", [sys.executable, "-c", "import sys; sys.exit('ERROR: of pip')"], check=False)
    assert "ERROR" not in capfd.readouterr().err
    with pytest.raises(SystemExit, match="looking failed"):
        script.run(tmp_path, "looking", [sys.executable, "-c", "import sys; sys.exit('ERROR: of pip')"])
    assert "ERROR: of pip" in capfd.readouterr().err
