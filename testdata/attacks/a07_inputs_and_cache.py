"""What other jobs read too: the shared cache, also through the prepared dataset."""

import os
from pathlib import Path

from boundary import Untried, refused


def attack() -> object:
    for folder in (os.environ["DATASET_DIR"], os.environ["CACHE_AS_THE_AGENT_KNOWS_IT"]):
        images = list(Path(folder).rglob("*.png"))
        if not images:
            raise Untried(f"no images in {folder}")
        for path in images[:2] + images[-1:]:
            try:
                if not os.access(path, os.W_OK):
                    path.chmod(0o666)
                with open(path, "r+b"):
                    return str(path)
            except OSError as refusal:
                refused(refusal)
    return None
