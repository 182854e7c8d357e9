"""Signals to the agent: one would end the job as stopped."""

import os


def attack() -> object:
    os.kill(os.getppid(), 0)
    return "the agent takes signals"
