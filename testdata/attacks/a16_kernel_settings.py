"""The kernel's settings, and whom it ends first when memory is short."""

import os
from pathlib import Path

from boundary import refused

EVERYWHERE = ("/proc/sys/kernel/core_pattern",)
WHERE_THE_KERNEL_HAS_THEM = ("/sys/kernel/mm/transparent_hugepage/enabled", *map(str, Path("/sys/fs/cgroup").rglob("cgroup.freeze")))


def attack() -> object:
    settings = [f"/proc/{os.getppid()}/oom_score_adj", *EVERYWHERE, *filter(os.path.exists, WHERE_THE_KERNEL_HAS_THEM)]
    for path in settings:
        try:
            os.close(os.open(path, os.O_WRONLY))
            return path
        except OSError as refusal:
            refused(refusal)
    return None
