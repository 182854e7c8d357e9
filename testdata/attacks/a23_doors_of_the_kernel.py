"""Doors of the kernel's own: watches on files (fanotify), programs within it (bpf), its log, a terminal's input."""

import ctypes
import errno
import fcntl
import os
import platform
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from boundary import call_refused

NUMBERS = {
    "x86_64": {"ptrace": 101, "syslog": 103, "fanotify_init": 300, "process_vm_readv": 310, "bpf": 321},
    "aarch64": {"ptrace": 117, "syslog": 116, "fanotify_init": 262, "process_vm_readv": 270, "bpf": 280},
}
TIOCSTI, PTRACE_SEIZE, READ_ALL, SOCKET_FILTER, LOAD, NEXT_PROGRAM = 0x5412, 0x4206, 3, 1, 5, 11
CONTENT, REPORT_FID = 4, 0x200


def calls(libc: ctypes.CDLL, agent: int) -> Iterator[tuple[str, Callable[[], int]]]:
    number = NUMBERS[platform.machine()]
    word = ctypes.create_string_buffer(8)
    local, remote = (ctypes.c_size_t * 2)(ctypes.addressof(word), 8), (ctypes.c_size_t * 2)(0x400000, 8)
    yield "ptrace", lambda: libc.syscall(number["ptrace"], PTRACE_SEIZE, agent, 0, 0)
    yield "process_vm_readv", lambda: libc.syscall(number["process_vm_readv"], agent, local, 1, remote, 1, ctypes.c_ulong(0))
    yield "the kernel's log", lambda: libc.syscall(number["syslog"], READ_ALL, word, 8)
    program = ctypes.create_string_buffer(struct.pack("QQ", 0x00000000000000B7, 0x95))  # r0 = 0; exit
    terms = ctypes.create_string_buffer(b"GPL")
    load = ctypes.create_string_buffer(struct.pack("IIQQ", SOCKET_FILTER, 2, ctypes.addressof(program), ctypes.addressof(terms)), 128)
    yield "a program in the kernel", lambda: libc.syscall(number["bpf"], LOAD, load, 128)
    yield "other programs in the kernel", lambda: libc.syscall(number["bpf"], NEXT_PROGRAM, ctypes.create_string_buffer(16), 16)
    for kind in (CONTENT, REPORT_FID):  # the second one needs no capability, and no right to open what it watches
        yield "who opens which file", lambda kind=kind: libc.syscall(number["fanotify_init"], kind, os.O_RDONLY)  # type: ignore[misc]


def typed() -> str | None:
    for path in ("/dev/tty", "/dev/console", *(f"/proc/{os.getppid()}/fd/{n}" for n in range(3)), *map(str, Path("/dev/pts").glob("[0-9]*"))):
        try:
            terminal = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            fcntl.ioctl(terminal, TIOCSTI, b"x")
            return f"the input of {path}"
        except OSError:
            pass
    return None


def attack() -> object:
    libc = ctypes.CDLL(None, use_errno=True)
    for name, call in calls(libc, os.getppid()):
        if call() >= 0:
            return name
        call_refused(name, errno.ENOSYS)  # a kernel without this call
    return typed()
