"""The agent's program, or another one where it would be looked for: a health check and the next job run it."""

import os
import shutil
from pathlib import Path

from boundary import Untried, refused


def moved(path: Path) -> bool:
    aside = path.with_name(f"{path.name}.aside")
    try:
        os.rename(path, aside)
    except OSError as refusal:
        refused(refusal)
        return False
    os.rename(aside, path)
    return True


def attack() -> object:
    agent = os.getppid()
    program = shutil.which(Path(f"/proc/{agent}/cmdline").read_bytes().split(b"\0")[0].decode())
    if program is None:
        raise Untried("nobody knows where the agent is")
    for path in (Path(program), Path(program).parent):
        if moved(path):
            return f"{path} has another name"
    for folder in {str(Path(program).parent), f"/proc/{agent}/cwd", f"/proc/{agent}/root", *os.environ["PATH"].split(":")}:
        new = Path(folder, "another-program")
        try:
            os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755))
        except FileNotFoundError:
            continue  # a folder that PATH names and nobody made
        except OSError as refusal:
            refused(refusal)
        else:
            os.unlink(new)
            return new
    return None
