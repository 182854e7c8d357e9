"""A converter in a toolbox, used like one beside the trainer. Needs numpy."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from trainer_sdk import JobError

from .. import toolbox, worker
from ..program import Program
from . import Precision, Run, installed

START = "import sys; sys.path.extend(sys.argv[3:]); from trainer_vision.deploy.worker import main; main(*sys.argv[1:3])"
LAST_LINES = 5  # of what the converter wrote before it died
CHATTER = re.compile(r"^(WARNING: All log messages before absl|[IW]\d{4} |INFO:|\s*$)").match  # of its libraries, whatever happens
MISSING = re.compile(r"ModuleNotFoundError|ImportError|PackageNotFoundError").search


class Remote:
    """`source` gives the file that the converter starts from: what it reads best; `writers` are the packages beside the trainer that write it."""

    def __init__(self, name: str, program: Program, work: Path, source: Callable[[], Path], say: Callable[[str], None], writers: Sequence[str] = ()) -> None:
        self.name, self.source, self.writers, self.log = name, source, writers, work / f"{name}.log"
        self.start: Path | None = None
        signature = json.dumps({"shape": program.input_shape, "outputs": program.graph.outputs})
        python = toolbox.python(name, say)
        self.home = python.parent.parent
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([str(python), "-I", "-c", START, name, signature, *toolbox.imports()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        weakref.finalize(self, end, self.process)

    def call(self, what: str, arrays: Sequence[np.ndarray] = (), **more: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
        assert self.process.stdin and self.process.stdout
        try:
            worker.send(self.process.stdin, {"call": what, **more}, arrays)
            received = worker.receive(self.process.stdout)
        except (BrokenPipeError, EOFError, ValueError) as error:
            raise self.died() from error
        if received is None:
            raise self.died()
        if "error" in received[0]:
            raise JobError(f"the export to {self.name} failed: {received[0]['error'][:600]}")
        return received

    def read(self) -> Path:
        """The file that is converted, made once."""
        if self.start is None:
            self.start = self.source()
        return self.start

    def died(self) -> JobError:
        code = self.process.wait()
        lines = [line for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines() if not CHATTER(line)][-LAST_LINES:]
        if -code == signal.SIGKILL:
            return JobError(f"the converter to {self.name} was killed (SIGKILL), as the kernel does where memory is short. Give the job more memory, or set a smaller INPUT_SIZE")
        cure = f". Its packages are damaged: remove {self.home}, and they are installed again" if any(map(MISSING, lines)) else ""
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return JobError(f"the converter to {self.name} {how}: {' '.join(lines)[-600:]}{cure}")

    def write(self, target: Path, metadata: str, precision: Precision) -> None:
        more = {"kind": precision.kind, "dtype": precision.dtype, "keep": list(precision.keep)}
        self.call("write", precision.calibration, source=str(self.read()), target=str(target), metadata=metadata, **more)

    def load(self, target: Path) -> Run:
        self.call("load", target=str(target))
        return lambda image: self.call("run", [np.ascontiguousarray(image)])[1]

    def layers(self) -> list[str]:
        return self.call("layers", source=str(self.read()))[0]["layers"]

    def unfit(self, precision: Precision) -> list[str]:
        return self.call("unfit", source=str(self.read()), kind=precision.kind)[0]["layers"] if self.name == "openvino" else []

    def versions(self) -> dict[str, str]:
        return {**installed(*self.writers), **self.call("versions")[0]["versions"]}


def end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
