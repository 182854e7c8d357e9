"""Another job's state and checkpoints, in a workspace beside this one's."""

import os
from pathlib import Path

from boundary import refused, there


def attack() -> object:
    another = Path(os.environ["WORKSPACE_DIR"]).parent / "another"
    files = (another / ".agent" / "outbox" / "00000001.log", another / "runs" / "best.pt", another / "home" / ".netrc")
    there(*files)
    for path in files:
        try:
            return "read", len(path.read_bytes()), str(path)
        except OSError as refusal:
            refused(refusal)
    return None
