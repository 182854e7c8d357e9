"""What processes of a user share by a number or a name of the whole machine: memory, queues and semaphores of System V, POSIX queues."""

import ctypes
import errno
import os
import platform

from boundary import Untried

NUMBERS = {
    "x86_64": {"shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66, "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "semtimedop": 220, "mq_open": 240},
    "aarch64": {"shmget": 194, "shmctl": 195, "shmat": 196, "semget": 190, "semctl": 191, "semtimedop": 192, "semop": 193, "msgget": 186, "msgctl": 187, "msgrcv": 188, "msgsnd": 189, "mq_open": 180},
}
PRIVATE, CREATE = 0, 0o1600
SHM_INFO, SEM_INFO, MSG_INFO = 14, 19, 12  # what the whole machine has; they need no right to any of it


def attack() -> object:
    libc = ctypes.CDLL(None, use_errno=True)
    answer = ctypes.create_string_buffer(256)
    refusals = set()
    for name, arguments in (
        ("shmget", (PRIVATE, 4096, CREATE)), ("msgget", (PRIVATE, CREATE)), ("semget", (PRIVATE, 1, CREATE)),
        ("mq_open", (b"another-job", os.O_RDWR | os.O_CREAT, 0o600, None)),
        ("shmctl", (0, SHM_INFO, answer)), ("semctl", (0, 0, SEM_INFO, answer)), ("msgctl", (0, MSG_INFO, answer)),
        # By the number of one: others are not needed to name it.
        ("shmat", (0, None, 0)), ("semop", (0, answer, 1)), ("semtimedop", (0, answer, 1, None)),
        ("msgsnd", (0, answer, 0, 0)), ("msgrcv", (0, answer, 0, 0, 0o4000)),
    ):  # fmt: skip
        if libc.syscall(NUMBERS[platform.machine()][name], *arguments) >= 0:
            return name
        refusals.add(ctypes.get_errno())
    if refusals != {errno.ENOSYS}:  # one that is not there is no boundary
        raise Untried(f"refused by chance: {[os.strerror(number) for number in refusals]}")
    return None
