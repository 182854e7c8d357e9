"""What other jobs keep in the shared cache: reading it, or holding the lock that they wait for."""

import fcntl
import os
from pathlib import Path

from boundary import refused, there


def attack() -> object:
    cache = Path(os.environ["CACHE_AS_THE_AGENT_KNOWS_IT"])
    image = cache / "another" / "data" / "images" / "x.png"
    there(image, cache / "another.lock")
    try:
        with open(image, "rb"):
            return "read"
    except OSError as refusal:
        refused(refusal)
    with open(cache / "another.lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return "locked"
