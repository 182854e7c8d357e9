"""A secret that the agent was given as a file."""

from pathlib import Path


def attack() -> object:
    for path in ("/run/secrets/trainer/callback-token", "/run/secrets/trainer/..data/secret-key", "/run/secrets/identity/token"):
        try:
            return path, Path(path).read_text()[:4]
        except OSError as refusal:
            last = refusal
    raise last
