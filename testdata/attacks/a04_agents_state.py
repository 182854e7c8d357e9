"""The agent's own state: the outbox, the log, the result."""

import os
from pathlib import Path

from boundary import refused, there


def attack() -> object:
    state = Path(os.environ["STATE_AS_THE_AGENT_KNOWS_IT"])
    files = [state / name for name in ("lock", "life.json", "training.log")]
    there(*files)
    got = []
    for file in files:
        for mode in ("rb", "ab"):
            try:
                with open(file, mode):
                    got.append(f"{file.name} {mode}")
            except OSError as refusal:
                refused(refusal)
    return got or None
