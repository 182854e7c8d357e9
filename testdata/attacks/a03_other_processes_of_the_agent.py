"""The environment of another process of the agent's: a health check, another job's agent."""

import time
from pathlib import Path

from boundary import Untried


def attack() -> object:
    ends, patience = time.monotonic() + 2, time.monotonic() + 60  # on a busy machine nothing may start for a while
    denied = 0
    while time.monotonic() < ends or (denied == 0 and time.monotonic() < patience):
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if "trainer-agent" not in (path / "comm").read_text() or path.name == "1":
                    continue
                if b"AWS_SECRET_ACCESS_KEY=" in (path / "environ").read_bytes():
                    return f"after {denied} denials"
            except PermissionError:
                denied += 1
            except OSError:
                pass  # it has ended
    if denied == 0:
        raise Untried("no such process was met")
    return None
