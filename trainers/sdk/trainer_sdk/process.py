"""The trainer's process: signals, several processes under torchrun, and the end as an exit code."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import NoReturn

from .callbacks import Platform
from .job import Job, JobError, parse_flags

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
EXIT_FAILED = 1
EXIT_STOPPED = 128 + signal.SIGTERM


def watch_signals(platform: Platform, *also: signal.Signals) -> None:
    """SIGTERM, and those of `also` that this process does not ignore, ask the platform object to stop; SIGUSR1 prints every thread's stack to stderr."""
    asking = (signal.SIGTERM, *(s for s in also if signal.getsignal(s) is not signal.SIG_IGN))
    faulthandler.enable()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, all_threads=True, chain=False)

    def stop(_number: int, _frame: FrameType | None) -> None:
        if platform.stop_requested:  # asked twice: the next one ends the process
            for asked in asking:
                signal.signal(asked, signal.SIG_DFL)
        platform.stop_requested = True

    def outlive(_number: int, _frame: FrameType | None) -> None:
        # A data loader's worker gets the group's signal too. It must serve the step that the
        # trainer finishes, and must not stay for ever: the alarm ends it.
        signal.alarm(60)
        for asked in asking:
            signal.signal(asked, signal.SIG_DFL)

    def watch(answer: Callable[[int, FrameType | None], None]) -> None:
        for asked in asking:
            signal.signal(asked, answer)

    watch(stop)
    os.register_at_fork(after_in_child=lambda: watch(outlive))


_lock = threading.Lock()
_platform: Platform | None = None


def current() -> Platform:
    """The platform of this process: the one that `run` connected, else one made of the environment, with the signal handlers installed."""
    global _platform
    with _lock:
        if _platform is None:
            _platform = Platform.connect(Job.load())
            if threading.current_thread() is threading.main_thread():
                watch_signals(_platform)
        return _platform


def launch_processes(per_node: int, env: Mapping[str, str] | None = None) -> None:
    """Start this script again under torchrun, one process a device; return when one process is enough.

    PET_NPROC_PER_NODE, PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR and PET_MASTER_PORT are torchrun's own
    variables and win over `per_node`. The process is replaced, so signals of the agent reach torchrun.
    """
    env = os.environ if env is None else env
    nodes = env.get("PET_NNODES", "1")
    count = env.get("PET_NPROC_PER_NODE", str(per_node))
    if "RANK" in env or (nodes == "1" and count in {"0", "1"}):
        return
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", count]
    command += ["--standalone"] if nodes == "1" else []
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # torchrun has no handler, and the default ends it
    sys.stdout.flush()
    os.execv(sys.executable, [*command, *sys.argv])


def words(error: JobError) -> str:
    """The message alone: a data loader raises what a worker raised with the worker's traceback before it."""
    name = f"{type(error).__module__}.{type(error).__name__}: "
    return str(error).rpartition(name)[2].strip() if str(error).startswith("Caught ") else str(error)


def run(train: Callable[[Job, Platform], None], argv: Sequence[str] | None = None, fail: str = "done") -> NoReturn:
    """Run a trainer to its end: exit 0, 1 with a failed `done`, or 143 when it was told to stop.

    `fail` names the final callback of the job's kind: done, test_run_done, inference_done or export_done.
    """
    global _platform
    argv = sys.argv[1:] if argv is None else argv
    try:
        job = Job.load(argv)
        platform = _platform = Platform.connect(job, argv)
    except (JobError, ValueError) as error:
        print(f"[trainer] error: {error}", file=sys.stderr, flush=True)
        sys.exit(EXIT_FAILED)
    flags = parse_flags(argv)
    unknown = list(flags.unknown)
    if flags.log_level in LOG_LEVELS:
        logging.basicConfig(level=flags.log_level)
    elif flags.log_level:
        unknown += ["--log-level", flags.log_level]
    if unknown:
        print(f"[trainer] warning: these arguments are not known and do nothing: {' '.join(unknown)}", file=sys.stderr, flush=True)
    watch_signals(platform, signal.SIGINT)  # Ctrl-C in a terminal: what is tried at a desk is what happens on the platform
    if fail == "done" and "BACKEND_BASE_URL" not in os.environ:  # without the agent nobody has made it
        with contextlib.suppress(OSError):
            job.checkpoint_dir.mkdir(parents=True, exist_ok=True)
    try:
        train(job, platform)
    except BaseException as error:
        if isinstance(error, SystemExit) and error.code in {0, None}:
            raise
        message = words(error) if isinstance(error, JobError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, JobError):
            traceback.print_exc()
        print(f"[trainer] error: {message}", file=sys.stderr, flush=True)
        if not platform.finished:  # a failure that has told more than its message
            getattr(platform, fail)(error=message)
        sys.exit(EXIT_FAILED)
    sys.exit(EXIT_STOPPED if platform.stop_requested and not platform.finished else 0)
