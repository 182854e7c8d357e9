"""A pipe in the place of training.log, which would hold an agent that opens it."""

import os
from pathlib import Path

from boundary import there


def attack() -> object:
    log = Path(os.environ["STATE_AS_THE_AGENT_KNOWS_IT"]) / "training.log"
    there(log)
    log.unlink()
    os.mkfifo(log)
    return "a pipe is there"
