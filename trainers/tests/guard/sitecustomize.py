"""Every Python process of a test imports this: an address outside of the machine is refused and said on stderr;
a process that hangs prints where, and ends."""

import faulthandler
import ipaddress
import os
import socket
import sys
from typing import Any

MARK = "[guard] a trainer asked the network for"
_connect, _resolve = socket.socket.connect, socket.getaddrinfo
_here = {"", "localhost", socket.gethostname(), socket.getfqdn()}


def _local(host: Any) -> bool:
    if host is None or host in _here:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback or host in {"0.0.0.0", "::"}
    except ValueError:
        return False


def _refuse(host: Any) -> None:
    if not _local(host):
        print(MARK, host, file=sys.stderr, flush=True)
        raise OSError(f"{MARK} {host}")


def _guarded_connect(self: socket.socket, address: Any) -> None:
    if self.family in {socket.AF_INET, socket.AF_INET6}:
        _refuse(address[0])
    _connect(self, address)


def _guarded_resolve(host: Any, *more: Any, **named: Any) -> Any:
    _refuse(host.decode() if isinstance(host, bytes) else host)
    return _resolve(host, *more, **named)


socket.socket.connect = _guarded_connect  # type: ignore[method-assign]
socket.getaddrinfo = _guarded_resolve


def bounded() -> None:
    """Ends the process, with the stacks of its threads on stderr, before the test that waits for it gives up."""
    if seconds := os.environ.get("TEST_HANGS_AFTER"):
        earlier = 10 if "RANK" in os.environ else 0  # torchrun reports what its processes came to
        faulthandler.dump_traceback_later(float(seconds) - earlier, exit=True)


bounded()
