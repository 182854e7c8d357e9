"""The agent by a handle of its process: descriptors, namespaces, pages, counters, and every other file of /proc."""

import ctypes
import errno
import os
import platform

from boundary import Untried, call_refused, refused

NUMBERS = {
    "x86_64": {"perf_event_open": 298, "kcmp": 312, "migrate_pages": 256, "move_pages": 279},
    "aarch64": {"perf_event_open": 241, "kcmp": 272, "migrate_pages": 238, "move_pages": 239},
}
PIDFD_OPEN, PIDFD_GETFD, PROCESS_MADVISE, MADV_COLD = 434, 438, 440, 20
SCHED_CORE, SHARE_TO = 62, 2
READ = ("auxv", "stack", "syscall", "io", "pagemap", "smaps", "numa_maps", "timers")
WRITTEN = ("comm", "autogroup", "clear_refs", "coredump_filter", "oom_adj", "uid_map", "setgroups")
LINKS = ("root", "cwd", "exe", "ns/mnt", "ns/user", "ns/net")


ABSENT = (errno.ENOSYS, errno.EINVAL, errno.ENODEV)  # of a kernel without this call


def by_a_file(entry: str, like: str, *gone: int) -> str | None:
    """`like` is the same of this process: what the kernel does not have there, it has nowhere."""
    for name in (name for name in (*READ, *WRITTEN) if os.path.lexists(f"{like}/{name}")):
        try:
            file = os.open(f"{entry}/{name}", os.O_RDONLY if name in READ else os.O_WRONLY)
            if name not in READ or os.read(file, 1):
                return f"{entry}/{name}"
        except OSError as refusal:
            refused(refusal, *gone)
    if os.path.lexists(f"{like}/timerslack_ns"):
        try:
            with open(f"{entry}/timerslack_ns", "w") as slack:  # anybody may open it
                slack.write("1000000000")
            return f"{entry}/timerslack_ns"
        except OSError as refusal:
            refused(refusal, *gone)
    for name in LINKS:
        try:
            return f"{entry}/{name}: {os.readlink(f'{entry}/{name}')}"
        except OSError as refusal:
            refused(refusal, *gone)
    if os.path.lexists(f"{like}/map_files"):
        try:
            return f"{entry}/map_files: {len(os.listdir(f'{entry}/map_files'))}"
        except OSError as refusal:
            refused(refusal, *gone)
    return None


def attack() -> object:
    agent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    call = NUMBERS[platform.machine()]
    handle = libc.syscall(PIDFD_OPEN, agent, 0)
    if handle < 0:
        raise Untried("there is no handle of the agent")
    for number in range(16):
        if libc.syscall(PIDFD_GETFD, handle, number, 0) >= 0:
            return f"descriptor {number}"
        call_refused("pidfd_getfd", *ABSENT)
    page = (ctypes.c_size_t * 2)(0x400000, 4096)
    counter = ctypes.create_string_buffer((1).to_bytes(4, "little") + (128).to_bytes(4, "little") + bytes(32) + (0b1100001).to_bytes(8, "little"), 128)
    nodes = ctypes.c_ulong(1)
    for name, got in {
        "process_madvise": lambda: libc.syscall(PROCESS_MADVISE, handle, page, 1, MADV_COLD, 0),
        "setns": lambda: libc.setns(handle, 0x10000000),
        "its core's tag": lambda: libc.prctl(SCHED_CORE, SHARE_TO, agent, 0, 0),
        "kcmp": lambda: libc.syscall(call["kcmp"], agent, os.getpid(), 0, 1, 1),
        "migrate_pages": lambda: libc.syscall(call["migrate_pages"], agent, 64, ctypes.byref(nodes), ctypes.byref(nodes)),
        "move_pages": lambda: libc.syscall(call["move_pages"], agent, 1, ctypes.byref(page), None, (ctypes.c_int * 1)(), 0),
    }.items():
        if got() >= 0:
            return name
        call_refused(name, *ABSENT)
    for thread in os.listdir(f"/proc/{agent}/task"):
        if libc.syscall(call["perf_event_open"], counter, int(thread), -1, -1, 0) >= 0:
            return f"counters of {thread}"
        call_refused("perf_event_open", errno.ESRCH, *ABSENT)
        if (got := by_a_file(f"/proc/{agent}/task/{thread}", "/proc/thread-self", errno.ENOENT, errno.ESRCH)) is not None:  # it may have ended
            return got
    return by_a_file(f"/proc/{agent}", "/proc/self")
