"""Toolboxes of converters: what remains of one that could not be made, and who waits for whom."""

from __future__ import annotations

import contextlib
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
from trainer_vision.deploy.formats import remote


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


class Converter(unittest.TestCase):
    """How the end of a converter's process is told."""

    def ended(self, script: str, sent: signal.Signals | None = None) -> str:
        program = mock.Mock(input_shape=[1], graph=mock.Mock(outputs=["found"]))
        with tempfile.TemporaryDirectory() as work, mock.patch.object(toolbox, "python", return_value=Path(sys.executable)), mock.patch.object(remote, "START", script):
            one = remote.Remote("tflite", program, Path(work), Path, print)
            if sent:
                one.process.send_signal(sent)
            with self.assertRaises(JobError) as raised:
                one.versions()
            for pipe in (one.process.stdin, one.process.stdout):
                assert pipe
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        return str(raised.exception)

    def test_one_that_the_kernel_kills_is_said_to_need_memory(self) -> None:
        self.assertRegex(self.ended("import time; time.sleep(60)", signal.SIGKILL), "the converter to tflite was killed .* Give the job more memory, or set a smaller INPUT_SIZE")

    def test_what_its_libraries_always_write_is_no_reason(self) -> None:
        said = self.ended("import sys; sys.exit('WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\nI0000 00:00:1 21522 port.cc:153] oneDNN\\nno such operator')")
        self.assertEqual(said, "the converter to tflite ended with 1: no such operator")
        self.assertIn("was ended by SIGABRT: ", self.ended("import os; os.abort()"))


if __name__ == "__main__":
    unittest.main()
