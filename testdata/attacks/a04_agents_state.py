"""The agent's own state: the outbox, the log, the result."""

import os
from pathlib import Path


def attack() -> object:
    state = Path(os.environ["STATE_AS_THE_AGENT_KNOWS_IT"])
    got = []
    for name in ("lock", "life.json", "training.log"):
        for mode in ("rb", "ab"):
            try:
                with open(state / name, mode):
                    got.append(f"{name} {mode}")
            except OSError as refusal:
                last = refusal
    if not got:
        raise last
    return got
