"""What other jobs keep in the shared cache: reading it, or holding the lock that they wait for."""

import fcntl
import os
from pathlib import Path


def attack() -> object:
    cache = Path(os.environ["CACHE_AS_THE_AGENT_KNOWS_IT"])
    try:
        with open(cache / "another" / "data" / "images" / "x.png", "rb"):
            return "read"
    except OSError:
        pass
    with open(cache / "another.lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return "locked"
