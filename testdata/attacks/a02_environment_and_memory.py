"""The agent's environment, memory and descriptors, also by way of one of its threads."""

import ctypes
import errno
import os

from boundary import call_refused, refused


def attack() -> object:
    agent = os.getppid()
    threads = os.listdir(f"/proc/{agent}/task")
    for process in (str(agent), *(f"{agent}/task/{thread}" for thread in threads)):
        gone = () if process == str(agent) else (errno.ENOENT, errno.ESRCH)  # a thread may have ended
        for name in ("environ", "mem", "maps", "fd/0"):
            try:
                os.close(os.open(f"/proc/{process}/{name}", os.O_RDONLY | os.O_NONBLOCK))
                return f"{process}/{name}"
            except OSError as refusal:
                refused(refusal, *gone)
    libc = ctypes.CDLL(None, use_errno=True)
    for thread in map(int, threads):
        gone = () if thread == agent else (errno.ESRCH,)
        if libc.ptrace(16, thread, 0, 0) == 0:  # PTRACE_ATTACH
            return f"ptrace of {thread}"
        call_refused("ptrace", *gone)
        local, remote = (ctypes.c_size_t * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8), (ctypes.c_size_t * 2)(0x400000, 8)
        if libc.process_vm_readv(thread, local, 1, remote, 1, 0) > 0:
            return f"process_vm_readv of {thread}"
        call_refused("process_vm_readv", *gone)
    for handle in os.listdir(f"/proc/{agent}/fd"):
        return os.readlink(f"/proc/{agent}/fd/{handle}")
    return None
