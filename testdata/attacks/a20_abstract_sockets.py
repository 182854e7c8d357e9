"""A socket without a file, of another job's process: ranks hand each other memory by them."""

import socket
import time

PATIENCE = 300  # seconds for the other process to start, on a busy machine


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
    return "there is no such socket, so nothing was tried"
