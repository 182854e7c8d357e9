"""When a refusal shows a boundary: somebody denied it, and what was asked for is there.

An attack on something that is not there, or a call that is wrong, is refused too, and shows
nothing: such an attack was not tried, and the test fails.
"""

import ctypes
import errno
import json
import os
import time
from pathlib import Path

DENIALS = (errno.EACCES, errno.EPERM, errno.EROFS)
PATIENCE = 300  # seconds for the other process to start, on a busy machine


class Untried(Exception):
    """Nothing was tried, or it was refused by chance."""


def refused(refusal: OSError, *also: int) -> None:
    """Take a denial; `also` are the other answers that one gives here."""
    if refusal.errno not in (*DENIALS, *also):
        raise Untried(f"refused by chance: {refusal}")


def call_refused(name: str, *also: int) -> None:
    """Take the denial of the last call by ctypes."""
    number = ctypes.get_errno()
    refused(OSError(number, os.strerror(number), name), *also)


def there(*paths: object) -> None:
    """Ask the process beside the attacks, which nothing confines and which has the agent's user, whether all these files are there."""
    runs = Path(os.environ["OUTPUT_DIR"])
    asked, answer = runs / "asked", runs / "answer"
    answer.unlink(missing_ok=True)
    asked.write_text(json.dumps([str(path) for path in paths]) + "\n")
    ends = time.monotonic() + PATIENCE
    while not answer.exists():
        if time.monotonic() > ends:
            raise Untried("nobody says whether it is there")
        time.sleep(0.02)
    missing = json.loads(answer.read_text())
    if missing:
        raise Untried(f"not there: {missing}")
