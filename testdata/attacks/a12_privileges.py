"""Another user's rights: a setuid program, a mount, a capability."""

import ctypes
from pathlib import Path


def attack() -> object:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    if status["NoNewPrivs"] != "1" or int(status["CapEff"], 16):
        return status["NoNewPrivs"], status["CapEff"]
    libc = ctypes.CDLL(None, use_errno=True)
    return "mount" if libc.mount(b"none", b"/mnt", b"tmpfs", 0, None) == 0 else None
