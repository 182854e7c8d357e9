"""The kernel's settings, and whom it ends first when memory is short."""

import os
from pathlib import Path


def attack() -> object:
    agent = os.getppid()
    cgroup = Path("/sys/fs/cgroup")
    settings = ["/proc/sys/kernel/core_pattern", "/sys/kernel/mm/transparent_hugepage/enabled", *map(str, cgroup.rglob("cgroup.freeze"))]
    for path in [f"/proc/{agent}/oom_score_adj", *settings]:
        try:
            os.close(os.open(path, os.O_WRONLY))
            return path
        except OSError as refusal:
            last = refusal
    raise last
