"""Keys that the kernel keeps for the user, and calls that no filter sees or that hold others up (io_uring, userfaultfd)."""

import ctypes
import errno
import os
import platform

from boundary import call_refused

# Calls that Python has no name for.
NUMBERS = {
    "x86_64": {"add_key": 248, "request_key": 249, "keyctl": 250, "userfaultfd": 323, "io_uring_setup": 425},
    "aarch64": {"add_key": 217, "request_key": 218, "keyctl": 219, "userfaultfd": 282, "io_uring_setup": 425},
}
USER_KEYRING, SESSION_KEYRING, GET_KEYRING_ID, USER_MODE_ONLY = -4, -3, 0, 1
DEVICE, NEW_USERFAULTFD = "/dev/userfaultfd", 0xAA00


def attack() -> object:
    libc = ctypes.CDLL(None, use_errno=True)
    for name, arguments in (
        ("keyctl", (GET_KEYRING_ID, USER_KEYRING, 1)),
        ("keyctl", (GET_KEYRING_ID, SESSION_KEYRING, 0)),
        ("add_key", (b"user", b"planted", b"x", 1, USER_KEYRING)),
        ("request_key", (b"user", b"planted", None, 0)),
        ("userfaultfd", (os.O_CLOEXEC | USER_MODE_ONLY,)),
        ("io_uring_setup", (4, ctypes.create_string_buffer(120))),
    ):
        if libc.syscall(NUMBERS[platform.machine()][name], *arguments) >= 0:
            return name
        call_refused(name, errno.ENOSYS)  # not a key that is not there
    if os.access(DEVICE, os.R_OK):  # root's, and in few containers
        if libc.ioctl(os.open(DEVICE, os.O_RDONLY | os.O_CLOEXEC), NEW_USERFAULTFD, os.O_CLOEXEC) >= 0:
            return DEVICE
        call_refused(DEVICE)
    return None
