"""Another job's state and checkpoints, in a workspace beside this one's."""

import os
from pathlib import Path


def attack() -> object:
    another = Path(os.environ["WORKSPACE_DIR"]).parent / "another"
    for path in (another / ".agent" / "outbox" / "00000001.log", another / "runs" / "best.pt", another / "home" / ".netrc"):
        try:
            return "read", len(path.read_bytes()), str(path)
        except OSError as refusal:
            last = refusal
    raise last
