"""Toolboxes of converters: what remains of one that could not be made, and who waits for whom."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from trainer_sdk import JobError
from trainer_vision.deploy import toolbox


class Toolbox(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "lists").mkdir()
        for patch in (mock.patch.object(toolbox, "LISTS", self.root / "lists"), mock.patch.dict(os.environ, {"EXPORT_TOOLBOX_DIR": str(self.root / "boxes")})):
            patch.start()
            self.addCleanup(patch.stop)

    def made(self, requirements: str) -> Path:
        (self.root / "lists" / "tried.txt").write_text(requirements)
        return toolbox.python("tried", lambda text: None)

    def kept(self) -> list[str]:
        return [p.name for p in (self.root / "boxes").iterdir() if not p.name.endswith(".lock")]

    def test_one_that_cannot_be_made_takes_no_room(self) -> None:
        with self.assertRaisesRegex(JobError, "the packages for tried cannot be installed: use an image export-.*pip says: .*not-there-at-all"):
            self.made("--no-index\nnot-there-at-all\n")
        self.assertEqual(self.kept(), [])

    def test_a_full_disk_is_said_with_what_is_needed(self) -> None:
        full = subprocess.CompletedProcess([], 1, "", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n")
        with mock.patch("subprocess.run", return_value=full), self.assertRaisesRegex(JobError, "they need up to 1 GB below EXPORT_TOOLBOX_DIR .* pip says: .*No space left on device"):
            self.made("")

    def test_an_interrupted_one_is_made_again(self) -> None:
        with mock.patch.object(toolbox, "call", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            self.made("")
        self.assertEqual(self.kept(), [])
        python = self.made("")
        self.assertTrue(python.exists() and (python.parent.parent / "complete").is_file())

    def test_an_installation_that_outlives_its_job_is_waited_for(self) -> None:
        lock = self.root / "lock"
        read, write = os.pipe()  # the installation ends when nobody holds the writing end
        os.set_inheritable(read, True)
        script = (
            "import sys; from trainer_vision.deploy import toolbox\n"
            f"with open({str(lock)!r}, 'w') as lock:\n"
            "    toolbox.fcntl.flock(lock, toolbox.fcntl.LOCK_EX)\n"
            "    toolbox.call(['sh', '-c', 'echo $$ > ' + sys.argv[1] + '; mv ' + sys.argv[1] + ' ' + sys.argv[2] + '; read x'], 'x', lock, print)\n"
        )
        started = self.root / "started"
        job = subprocess.Popen([sys.executable, "-c", script, str(self.root / "pid"), str(started)], stdin=read)
        os.close(read)
        while not started.exists():
            self.assertIsNone(job.poll())
            os.sched_yield()
        job.send_signal(signal.SIGKILL)
        job.wait()
        with lock.open("w") as mine:
            with self.assertRaises(BlockingIOError):
                fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(write)
            fcntl.flock(mine, fcntl.LOCK_EX)


if __name__ == "__main__":
    unittest.main()
