"""Signals to the agent, to one of its threads, by a handle or by way of a file: one would end the job as stopped."""

import ctypes
import errno
import fcntl
import itertools
import os
import platform
import struct

from boundary import call_refused, refused

# Calls and numbers that Python has no name for.
NUMBERS = {
    "x86_64": {"kill": 62, "rt_sigqueueinfo": 129, "tkill": 200, "tgkill": 234, "rt_tgsigqueueinfo": 297},
    "aarch64": {"kill": 129, "rt_sigqueueinfo": 138, "tkill": 130, "tgkill": 131, "rt_tgsigqueueinfo": 240},
}
PIDFD_OPEN, PIDFD_SEND_SIGNAL, PIDFD_THREAD = 434, 424, os.O_EXCL
TO_THE_THREAD, TO_ITS_PROCESS = 1, 2
F_SETSIG, F_SETOWN_EX, F_OWNER_TID = 10, 15, 0
SIGUSR2 = 12  # asks nothing of the agent, so the job goes on if it gets through
OF_THE_C_LIBRARY = 34  # ends a program that has none, unless it is the first process


def by_a_file(thread: int, signal: int) -> str:
    readable, writable = os.pipe()
    fcntl.fcntl(readable, F_SETSIG, signal)
    fcntl.fcntl(readable, F_SETOWN_EX, struct.pack("ii", F_OWNER_TID, thread))
    fcntl.fcntl(readable, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writable, b"x")
    return f"a file tells the agent's thread {thread} signal {signal}"


def by_its_folder(libc: ctypes.CDLL, thread: int, *gone: int) -> str | None:
    """The folder of a process is a handle of it; that of a thread is found by its number, though no list has it."""
    try:
        folder = os.open(f"/proc/{thread}", os.O_RDONLY)
    except OSError as refusal:
        refused(refusal, errno.ENOENT)
        return None
    try:
        for flags in (0, TO_THE_THREAD, TO_ITS_PROCESS):
            if libc.syscall(PIDFD_SEND_SIGNAL, folder, 0, None, flags) == 0:
                return f"pidfd_send_signal by /proc/{thread}, flags {flags}"
            call_refused("pidfd_send_signal", errno.ENOSYS, *gone)
    finally:
        os.close(folder)
    return None


def attack() -> object:
    agent = os.getppid()
    try:
        os.kill(agent, 0)
        return "the agent takes signals"
    except OSError as refusal:
        refused(refusal)
    libc = ctypes.CDLL(None, use_errno=True)
    call = NUMBERS[platform.machine()]
    information = struct.pack("iii116x", 0, 0, -1)  # si_code as sigqueue(3) has it
    threads = [int(name) for name in os.listdir(f"/proc/{agent}/task")]
    for thread in threads:
        gone = () if thread == agent else (errno.ESRCH,)  # it may have ended
        for name, arguments in {
            "kill": (thread, 0),
            "rt_sigqueueinfo": (thread, 0, information),  # to the process, by the number of a thread
            "tkill": (thread, 0),
            "tgkill": (agent, thread, 0),
            "rt_tgsigqueueinfo": (agent, thread, 0, information),
        }.items():
            if libc.syscall(call[name], *arguments) == 0:
                return f"{name} of the agent's thread {thread}"
            call_refused(name, *gone)
        handle = libc.syscall(PIDFD_OPEN, thread, PIDFD_THREAD)
        if handle >= 0 and libc.syscall(PIDFD_SEND_SIGNAL, handle, 0, None, 0) == 0:
            return f"pidfd_send_signal to the agent's thread {thread}"
        call_refused("pidfd_send_signal", errno.EINVAL, errno.ENOSYS, *gone)  # EINVAL: a kernel that has no handles of threads
        if (got := by_its_folder(libc, thread, *gone)) is not None:
            return got
    for thread, signal in itertools.product(threads, (SIGUSR2, OF_THE_C_LIBRARY)):
        try:
            return by_a_file(thread, signal)
        except OSError as refusal:
            refused(refusal, errno.ESRCH)
    return None
