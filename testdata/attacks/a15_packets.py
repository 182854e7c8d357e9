"""The agent's packets, in which its token is where the backend has no TLS."""

import socket

EVERY_PROTOCOL = socket.htons(3)


def attack() -> object:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, EVERY_PROTOCOL).close()
    return "a socket that gets every packet"
