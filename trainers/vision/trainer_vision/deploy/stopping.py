"""SIGTERM in an export: it has nothing to save, so it ends where it is. Standard library only."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from trainer_sdk import Job, Platform
from trainer_sdk.process import EXIT_STOPPED

Main = Callable[[Job, Platform], None]


class Stopped(BaseException):
    """The signal came. It is no Exception, because converters catch those."""


def at_once(main: Main) -> Main:
    """`main` until SIGTERM. What the signal has ended besides, an installation or a converter, is no failure of the export."""

    def until(job: Job, platform: Platform) -> None:
        def stop(_number: int, _frame: FrameType | None) -> None:
            platform.stop_requested = True
            if not platform.finished:
                raise Stopped

        signal.signal(signal.SIGTERM, stop)
        try:
            main(job, platform)
        except (Exception, Stopped):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if not platform.stop_requested or platform.finished:
                raise
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(EXIT_STOPPED)  # an interpreter with torch in it takes seconds of the grace period to end

    return until
