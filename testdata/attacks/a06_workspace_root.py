"""The workspace's root: another folder, or a link, in the place of runs/ or of the state."""

import os
from pathlib import Path

from boundary import refused, there


def attack() -> object:
    workspace, state = Path(os.environ["WORKSPACE_DIR"]), Path(os.environ["STATE_AS_THE_AGENT_KNOWS_IT"])
    paths = (workspace / "runs", state, state / "outbox", state / "training.log")
    there(*paths)
    for path in paths:
        aside = path.with_name("aside")
        try:
            os.rename(path, aside)
        except OSError as refusal:
            refused(refusal)
        else:
            os.rename(aside, path)
            return str(path)
    return None
