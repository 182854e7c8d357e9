"""A lease on a file that other jobs open too: each of them would wait 45 seconds for it."""

import fcntl
import os
import struct
from pathlib import Path

from boundary import Untried, refused

F_SETLEASE, F_SETDELEG = 1024, 1040


def attack() -> object:
    tried = False
    for folder in (os.environ["DATASET_DIR"], os.environ["CACHE_AS_THE_AGENT_KNOWS_IT"]):
        for path in [path for path in Path(folder).rglob("*.png") if os.access(path, os.R_OK)][:3]:
            for command, kind in ((F_SETLEASE, fcntl.F_WRLCK), (F_SETLEASE, fcntl.F_RDLCK), (F_SETDELEG, struct.pack("IHH", 0, fcntl.F_RDLCK, 0))):
                try:
                    with open(path, "rb") as file:
                        fcntl.fcntl(file, command, kind)
                    return str(path)
                except OSError as refusal:
                    refused(refusal)  # not when somebody has it open
                    tried = True
    if not tried:
        raise Untried("no file that can be read")
    return None
