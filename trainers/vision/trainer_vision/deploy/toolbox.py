"""Toolboxes: environments of their own for converters whose packages do not go with a trainer's. Standard library only.

Made at first use, beside the trainer's own packages (torch is not installed again), and kept. An image has them baked in:

    python -m trainer_vision.deploy.toolbox openvino tflite coreml
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import trainer_sdk
from trainer_sdk import JobError

LISTS = Path(__file__).with_name("toolboxes")
TICK_SECONDS = 10
FULL = os.strerror(errno.ENOSPC)
ROOM = "up to 1 GB"
Say = Callable[[str], None]


def folder() -> Path:
    """EXPORT_TOOLBOX_DIR, else below the user's cache; a home that cannot be written gives way to the temporary folder."""
    if given := os.environ.get("EXPORT_TOOLBOX_DIR"):
        return Path(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        cache = Path(tempfile.gettempdir())
    return cache / "trainer-agent" / "toolboxes" if os.access(cache, os.W_OK) else Path(tempfile.gettempdir()) / "trainer-agent-toolboxes"


def sites() -> list[str]:
    """Where the trainer's own packages are: Debian's Python has several such folders, and a user may have one more."""
    return [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]


def place(name: str) -> Path:
    """The environment of a list of requirements with this Python: another list, or another Python, is another environment."""
    wanted = f"{(LISTS / f'{name}.txt').read_text(encoding='utf-8')}\n{sys.version}\n{sysconfig.get_path('purelib')}"
    return folder() / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"


def python(name: str, say: Say) -> Path:
    """The interpreter of a toolbox, which is made where it is not there. Jobs that want the same one wait for each other."""
    home = place(name)
    if not (home / "complete").is_file():
        try:
            home.parent.mkdir(parents=True, exist_ok=True)
            with (home.parent / f".{home.name}.lock").open("w") as lock:
                with telling(f"Waiting for another job that installs the packages for {name}", say):
                    fcntl.flock(lock, fcntl.LOCK_EX)
                if not (home / "complete").is_file():
                    make(name, home, lock, say)
        except OSError as error:
            raise JobError(f"the packages for {name} cannot be installed below {home.parent}: {error}. Set EXPORT_TOOLBOX_DIR to a folder that is there and can be written, or use an image export-*") from error
    return home / "bin" / "python"


def make(name: str, home: Path, lock: IO[str], say: Say) -> None:
    """With -I: the folder that the trainer runs in may have a venv.py of its own. What is not whole takes no room afterwards."""
    say(f"Installing the packages for {name}, once, below {home.parent.name}")
    shutil.rmtree(home, ignore_errors=True)
    try:
        call([sys.executable, "-I", "-m", "venv", "--without-pip", str(home)], name, lock, say)
        own = subprocess.run([str(home / "bin" / "python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True).stdout.strip()
        (Path(own) / "trainer.pth").write_text("".join(f"{site}\n" for site in sites()), encoding="utf-8")
        pip = [sys.executable, "-I", "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--disable-pip-version-check", "--quiet", "--progress-bar", "off"]
        call([*pip, "-r", str(LISTS / f"{name}.txt")], name, lock, say)
        (home / "complete").touch()
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def call(command: list[str], name: str, lock: IO[str], say: Say) -> None:
    """Run a command. It holds the lock too: where it outlives a job that was killed, the next job waits for its end."""
    with telling(f"Installing the packages for {name}", say):
        done = subprocess.run(command, capture_output=True, text=True, pass_fds=[lock.fileno()])
    if done.returncode == 0:
        return
    reason = " ".join(line.strip() for line in done.stderr.splitlines()[-3:])[:500] or f"exit {done.returncode}"
    cure = "use an image export-*, which has them, or let this machine reach a package index"
    if FULL in done.stderr:
        cure = f"they need {ROOM} below EXPORT_TOOLBOX_DIR ({folder()}) and as much in the temporary folder. Make room, or set EXPORT_TOOLBOX_DIR and TMPDIR to folders of a larger disk"
    raise JobError(f"the packages for {name} cannot be installed: {cure}. pip says: {reason}")  # what pip says may be long, and a report is cut


@contextmanager
def telling(text: str, say: Say) -> Iterator[None]:
    """Say every ten seconds that it still lasts."""
    started, finished = time.monotonic(), threading.Event()

    def tick() -> None:
        while not finished.wait(TICK_SECONDS):
            say(f"{text}: {time.monotonic() - started:.0f} s")

    threading.Thread(target=tick, daemon=True).start()
    try:
        yield
    finally:
        finished.set()


def imports() -> list[str]:
    """Where this package and the SDK lie, for an interpreter that does not have them."""
    return list(dict.fromkeys(str(Path(module).resolve().parent.parent) for module in (__file__.replace("/deploy/", "/"), trainer_sdk.__file__)))


def main() -> None:
    known = sorted(p.stem for p in LISTS.glob("*.txt"))
    for name in sys.argv[1:] or known:
        if name not in known:
            sys.exit(f"there is no toolbox {name!r}: {', '.join(known)}")
        try:
            print(python(name, lambda text: print(f"[trainer] {text}", file=sys.stderr, flush=True)))
        except JobError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
