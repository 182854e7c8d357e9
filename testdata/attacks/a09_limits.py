"""The agent's limits: RLIMIT_CPU of 0 kills it."""

import os
import resource


def attack() -> object:
    now = resource.prlimit(os.getppid(), resource.RLIMIT_CORE)
    resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, now[1]))
    return "prlimit"
