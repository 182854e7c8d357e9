"""A lease on a file that other jobs open too: each of them would wait 45 seconds for it."""

import errno
import fcntl
import os
import struct
from pathlib import Path

F_SETLEASE, F_SETDELEG = 1024, 1040


def attack() -> object:
    last = None
    for folder in (os.environ["DATASET_DIR"], os.environ["CACHE_AS_THE_AGENT_KNOWS_IT"]):
        for path in [path for path in Path(folder).rglob("*.png") if os.access(path, os.R_OK)][:3]:
            for command, kind in ((F_SETLEASE, fcntl.F_WRLCK), (F_SETLEASE, fcntl.F_RDLCK), (F_SETDELEG, struct.pack("IHH", 0, fcntl.F_RDLCK, 0))):
                try:
                    with open(path, "rb") as file:
                        fcntl.fcntl(file, command, kind)
                    return str(path)
                except OSError as refusal:
                    last = refusal
                    if refusal.errno not in (errno.EPERM, errno.EACCES):  # somebody has it open
                        return f"refused by chance: {path}: {refusal}"
    if last is None:
        return "no file that can be read, so nothing was tried"
    raise last
