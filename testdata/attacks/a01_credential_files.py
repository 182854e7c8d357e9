"""A secret that the agent was given as a file."""

from pathlib import Path

from boundary import refused, there

SECRETS = ("/run/secrets/trainer/callback-token", "/run/secrets/trainer/..data/secret-key", "/run/secrets/identity/token")


def attack() -> object:
    there(*SECRETS)
    for path in SECRETS:
        try:
            return path, Path(path).read_text()[:4]
        except OSError as refusal:
            refused(refusal)
    return None
