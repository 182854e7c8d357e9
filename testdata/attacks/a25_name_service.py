"""Names, certificates and libraries of the whole machine: /etc/hosts leads the agent's next connection to the training."""

import os
from pathlib import Path

from boundary import Untried, refused

BELIEVED = ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/passwd", "/etc/ssl/certs/ca-certificates.crt", "/etc/ld.so.cache")
NEW = ("/etc/ld.so.preload", "/etc/another-file")


def attack() -> object:
    libraries = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/libc.so" in line or "/ld-linux" in line}
    paths = [*filter(os.path.exists, BELIEVED), *libraries]
    if "/etc/hosts" not in paths:
        raise Untried("there is no /etc/hosts")
    for path in paths:
        try:
            os.close(os.open(path, os.O_WRONLY))  # nothing is written
            return path
        except OSError as refusal:
            refused(refusal)
    for path in NEW:
        if os.path.lexists(path):
            continue
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        except OSError as refusal:
            refused(refusal)
        else:
            os.unlink(path)
            return path
    return None
