"""The agent's environment, memory and descriptors."""

import ctypes
import os
from pathlib import Path


def attack() -> object:
    agent = os.getppid()
    for name in ("environ", "mem", "maps", "fd/0"):
        try:
            with open(f"/proc/{agent}/{name}", "rb") as f:
                f.read(1)
            return name
        except OSError:
            pass
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, agent, 0, 0) == 0:  # PTRACE_ATTACH
        return "ptrace"
    local, remote = (ctypes.c_size_t * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8), (ctypes.c_size_t * 2)(0x400000, 8)
    if libc.process_vm_readv(agent, local, 1, remote, 1, 0) > 0:
        return "process_vm_readv"
    return "fd" if Path(f"/proc/{agent}/fd").is_dir() and os.access(f"/proc/{agent}/fd", os.R_OK) and os.listdir(f"/proc/{agent}/fd") else None
