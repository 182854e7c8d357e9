"""What another command of the agent's unpacks and then runs (validate, inspect --selftest): whoever changes it has it run outside of every confinement."""

import os
from pathlib import Path

from boundary import Untried, refused, there


def attack() -> object:
    folders = list(Path("/var/tmp").glob("trainer-agent-*"))
    if len(folders) != 1:
        raise Untried(f"the folders are {folders}")
    program = folders[0] / "validate-1" / "program.py"
    there(program)
    for path, flags in ((program, os.O_WRONLY), (program, os.O_RDONLY), (program.with_name("another.py"), os.O_WRONLY | os.O_CREAT), (folders[0] / "another", os.O_WRONLY | os.O_CREAT)):
        try:
            os.close(os.open(path, flags))
            return path
        except OSError as refusal:
            refused(refusal)
    aside = folders[0].with_name("aside")
    try:
        os.rename(folders[0], aside)
    except OSError as refusal:
        refused(refusal)
        return None
    os.rename(aside, folders[0])
    return folders[0]
