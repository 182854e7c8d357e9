"""Starts Python programs as copies of a process that has PyTorch imported already.

Most of a short training's time is the import of its framework. The copies are made by multiprocessing's fork server;
each has the environment, arguments, module path and output of a Python of its own. What the agent starts is a fresh
Python: the tests of cmd/trainer-agent have those.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import reduction
from pathlib import Path
from unittest import mock

import warm_start

IMPORTED = ["torch", "torchvision"]  # not what looks at its environment when it is imported, as Hugging Face's and Ultralytics' libraries do


class Warm:
    """A program under way, with as much of subprocess.Popen as the tests use. Without a file for errors they are among the output."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], cwd: str | Path | None = None, errors: bool = False) -> None:
        self.args = list(map(str, arguments))
        self._files = [tempfile.TemporaryFile() for _ in range(1 + errors)]  # noqa: SIM115  they live as long as this
        streams = [reduction.DupFd(file.fileno()) for file in (self._files * 2)[:2]]
        self._process = _server().Process(target=warm_start.run, args=(self.args, dict(env), str(cwd or os.getcwd()), _path(), streams))
        self._process.start()
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        output, errors = ([*map(_text, self._files), ""])[:2]
        return output, errors


def run(arguments: Sequence[str], env: Mapping[str, str], cwd: str | Path | None = None, timeout: float | None = None, check: bool = False) -> subprocess.CompletedProcess[str]:
    """What subprocess.run gives of `python ARGUMENTS`: a script or -c CODE, and what follows."""
    program = Warm(arguments, env, cwd, errors=True)
    output, errors = program.communicate(timeout)
    completed = subprocess.CompletedProcess(program.args, program.returncode or 0, output, errors)
    if check:
        completed.check_returncode()
    return completed


def _text(file: tempfile._TemporaryFileWrapper[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@functools.cache
def _server() -> multiprocessing.context.ForkServerContext:
    """Starts it in the environment that all programs have in common: the guard, and the threads of PyTorch."""
    from process import environment

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    lasting = {name: value for name, value in environment(None).items() if name != "TEST_HANGS_AFTER"}
    with mock.patch.dict(os.environ, lasting, clear=True):
        context.Process(target=int).start()
    return context


@functools.cache
def _path() -> list[str]:
    """Where a fresh Python finds modules."""
    out = subprocess.run([sys.executable, "-c", "import sys; print('\\n'.join(sys.path[1:]))"], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}).stdout
    return out.splitlines()
