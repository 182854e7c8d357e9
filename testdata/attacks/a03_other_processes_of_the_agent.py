"""The environment of another process of the agent's: a health check, another job's agent."""

import time
from pathlib import Path


def attack() -> object:
    ends, patience = time.monotonic() + 2, time.monotonic() + 60  # on a busy machine nothing may start for a while
    seen = 0
    while time.monotonic() < ends or (seen == 0 and time.monotonic() < patience):
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if "trainer-agent" not in (path / "comm").read_text() or path.name == "1":
                    continue
                seen += 1
                if b"AWS_SECRET_ACCESS_KEY=" in (path / "environ").read_bytes():
                    return f"after {seen} looks"
            except OSError:
                pass
    if seen == 0:
        return "nothing: no such process was seen, so nothing was tried"
    return None
