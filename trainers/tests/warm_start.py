"""The beginning of a copy of warm.py's server; imports nothing that a trainer could call by the same name."""

import atexit
import multiprocessing
import os
import sys
import types
from multiprocessing.reduction import DupFd  # noqa: F401  what the streams are


def run(arguments: list[str], env: dict[str, str], cwd: str, path: list[str], streams: list) -> None:
    os.setsid()
    for number, stream in enumerate(streams, 1):
        os.dup2(stream.detach(), number)
    multiprocessing.set_start_method(None, force=True)  # the copies have their server's
    os.environ.clear()
    os.environ.update(env)
    sys.modules["sitecustomize"].bounded()
    os.chdir(cwd)
    if arguments[0] == "-c":
        code, name, folder, sys.argv = arguments[1], "<string>", "", ["-c", *arguments[2:]]
    else:
        name, sys.argv = arguments[0], list(arguments)
        folder = os.path.dirname(os.path.abspath(name))
        with open(name, "rb") as file:
            code = file.read()
    sys.path[:] = [folder, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep)), *path]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if folder:
        main.__file__ = name
    del sys.modules[__name__]
    try:
        exec(compile(code, name, "exec"), main.__dict__)
    finally:
        atexit._run_exitfuncs()
