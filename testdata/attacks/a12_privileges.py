"""Another user's rights: a setuid program, a mount, a capability."""

import ctypes
import os
from pathlib import Path

from boundary import call_refused

# DAC_READ_SEARCH, LINUX_IMMUTABLE, NET_ADMIN, NET_RAW, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_PACCT, SYS_ADMIN, SYS_BOOT, SYS_TIME, MKNOD,
# AUDIT_CONTROL, MAC_OVERRIDE, MAC_ADMIN, SYSLOG, PERFMON, BPF, CHECKPOINT_RESTORE
BEYOND = (2, 9, 12, 13, 16, 17, 19, 20, 21, 22, 25, 27, 30, 32, 33, 34, 38, 39, 40)


def attack() -> object:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    effective = int(status["CapEff"], 16)
    # A training process that is root, as its agent, keeps what reaches no further than its files.
    if status["NoNewPrivs"] != "1" or effective if os.geteuid() else effective & sum(1 << bit for bit in BEYOND):
        return status["NoNewPrivs"], status["CapEff"]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", b"/mnt", b"tmpfs", 0, None) == 0:
        return "mount"
    call_refused("mount")
    return None
