"""Finds the trainer-agent binary that this package installed."""

import os
import shutil
import sys
import sysconfig

__all__ = ["find_trainer_agent"]


def find_trainer_agent() -> str:
    """The path of the binary: of this environment, of the user's, or of `pip install --target`."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    user = sysconfig.get_path("scripts", os.name + "_user")
    for folder in (sysconfig.get_path("scripts"), user, os.path.join(here, "bin")):
        path = os.path.join(folder, "trainer-agent")
        if os.path.isfile(path):
            return path
    found = shutil.which("trainer-agent")
    if found:
        return found
    raise FileNotFoundError(f"there is no trainer-agent beside {sys.executable}: run `pip install --force-reinstall trainer-agent`")
