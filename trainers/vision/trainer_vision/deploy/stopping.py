"""SIGTERM, or Ctrl-C, in an export: it has nothing to save, so it ends where it is. Standard library only."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from trainer_sdk import Job, Platform
from trainer_sdk.process import EXIT_STOPPED

ASKING = (signal.SIGTERM, signal.SIGINT)
Main = Callable[[Job, Platform], None]


class Stopped(BaseException):
    """The signal came. It is no Exception, because converters catch those."""


def at_once(main: Main) -> Main:
    """`main` until a signal asks to stop. What the signal has ended besides, an installation or a converter, is no failure of the export."""

    def until(job: Job, platform: Platform) -> None:
        def stop(_number: int, _frame: FrameType | None) -> None:
            platform.stop_requested = True
            if not platform.finished:
                raise Stopped

        for asked in ASKING:
            signal.signal(asked, stop)
        try:
            main(job, platform)
        except (Exception, Stopped):
            for asked in ASKING:
                signal.signal(asked, signal.SIG_DFL)
            if not platform.stop_requested or platform.finished:
                raise
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(EXIT_STOPPED)  # an interpreter with torch in it takes seconds of the grace period to end

    return until
