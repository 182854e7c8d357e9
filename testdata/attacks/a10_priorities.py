"""The agent's processors and priority."""

import errno
import os

from boundary import refused


def attack() -> object:
    agent = os.getppid()
    for name, call in {
        "setpriority": lambda: os.setpriority(os.PRIO_PROCESS, agent, 5),
        "of all processes": lambda: os.setpriority(os.PRIO_USER, 0, 5),
        **{f"affinity of {thread}": lambda thread=thread: os.sched_setaffinity(int(thread), {0}) for thread in os.listdir(f"/proc/{agent}/task")},
        "scheduler": lambda: os.sched_setscheduler(agent, os.SCHED_IDLE, os.sched_param(0)),
    }.items():
        try:
            call()
            return name
        except OSError as refusal:
            refused(refusal, *((errno.ESRCH,) if name.startswith("affinity") else ()))  # a thread may have ended
    return None
