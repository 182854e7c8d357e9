"""Other people's secrets in the agent's environment: passwords of proxies and databases, tokens."""

import os


def attack() -> object:
    got = [name for name in ("HTTPS_PROXY", "DATABASE_URL", "SOME_PASSWORD", "SOME_API_KEY", "AWS_SECRET_ACCESS_KEY") if name in os.environ]
    return got or None
