"""The workspace's root: another folder, or a link, in the place of runs/ or of the state."""

import os
from pathlib import Path


def attack() -> object:
    root = Path(os.environ["WORKSPACE_DIR"])
    for name in ("runs", ".agent"):
        try:
            os.rename(root / name, root / "aside")
        except OSError as refusal:
            last = refusal
        else:
            os.rename(root / "aside", root / name)
            return name
    raise last
