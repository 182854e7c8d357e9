"""A process of another job, beside the attacks: it listens until they are over, and says what is there (boundary.py)."""

import json
import os
import socket
import time
from pathlib import Path

runs = Path(os.environ["WORKSPACE_DIR"], "runs")


def answer() -> None:
    try:
        asked = (runs / "asked").read_text()
    except OSError:
        return
    if asked.endswith("\n"):  # the whole question
        (runs / "asked").unlink()
        (runs / "answer.part").write_text(json.dumps([path for path in json.loads(asked) if not os.path.lexists(path)]))
        (runs / "answer.part").rename(runs / "answer")


with socket.socket(socket.AF_UNIX) as s:
    s.bind("\0another-job")
    s.listen()
    s.settimeout(0.05)
    started = time.monotonic()
    while not (runs / "over").exists() and time.monotonic() - started < 1800:
        answer()
        try:
            with s.accept()[0] as met:
                met.sendall(b"a descriptor of another job")
        except TimeoutError:
            pass
