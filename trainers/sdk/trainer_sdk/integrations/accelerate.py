"""Accelerate.

    from trainer_sdk.integrations.accelerate import PlatformTracker
    accelerator = Accelerator(log_with=PlatformTracker())
    accelerator.init_trackers("training")
    accelerator.log({"loss": loss, "epoch": epoch})
"""

from __future__ import annotations

from typing import Any

from accelerate.tracking import GeneralTracker, on_main_process

from ..metrics import log
from ..process import current


class PlatformTracker(GeneralTracker):  # type: ignore[misc]
    """Reports what is logged, as `trainer_sdk.log` does; the loop asks `trainer_sdk.current().stop_requested` itself."""

    name = "trainer_platform"
    requires_logging_directory = False
    main_process_only = True

    def __init__(self) -> None:
        super().__init__()
        current()  # signals are watched from now on

    @property
    def tracker(self) -> Any:
        return current()

    @on_main_process  # type: ignore[untyped-decorator]
    def store_init_configuration(self, values: dict[str, Any]) -> None:
        """Settings are the job's; the platform has them."""

    @on_main_process  # type: ignore[untyped-decorator]
    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        log(values)
