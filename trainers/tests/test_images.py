"""The images' python shim: the agent as PID 1, plain Python everywhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from process import TRAINERS


class PythonShim(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        agent = self.folder / "trainer-agent"
        agent.write_text('#!/bin/sh\necho "agent $$: $*"\n')
        self.shim = self.folder / "python"
        self.shim.write_text((TRAINERS.parent / "images/python-shim.sh").read_text().replace("@PYTHON@", sys.executable))
        agent.chmod(0o755), self.shim.chmod(0o755)

    def run_shim(self, *before: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder}:{os.environ['PATH']}"
        return subprocess.run([*before, str(self.shim), "-c", "print('plain', 1 + 1)"], capture_output=True, text=True, env={**os.environ, "PATH": path})

    def test_elsewhere_it_is_python(self) -> None:
        self.assertEqual(self.run_shim().stdout, "plain 2\n")

    def test_the_first_process_is_the_agent(self) -> None:
        unshare = ("unshare", "--pid", "--fork", "--kill-child")
        if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True).returncode:
            if os.environ.get("CI"):
                self.fail("unshare --pid does not work here")
            self.skipTest("unshare --pid does not work here")
        self.assertEqual(self.run_shim(*unshare).stdout, f"agent 1: run -- {sys.executable} -c print('plain', 1 + 1)\n")


if __name__ == "__main__":
    unittest.main()
