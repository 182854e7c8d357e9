"""A socket without a file, of another job's process: ranks hand each other memory by them."""

import socket
import time

from boundary import PATIENCE, Untried


def attack() -> object:
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE:
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect("\0another-job")
            except ConnectionRefusedError:  # nobody listens yet
                time.sleep(0.1)
                continue
            return s.recv(100)
    raise Untried("there is no such socket")
