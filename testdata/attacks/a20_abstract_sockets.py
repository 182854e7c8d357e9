"""A socket without a file, of another job's process: ranks hand each other memory by them."""

import socket


def attack() -> object:
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect("\0another-job")
        except ConnectionRefusedError:
            return "there is no such socket, so nothing was tried"
        return s.recv(100)
