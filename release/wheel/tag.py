"""A hook of hatchling: the wheel is for one platform and holds its binaries as scripts."""

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PlatformHook(BuildHookInterface):  # type: ignore[type-arg]
    """Takes the platform's tag from WHEEL_PLATFORM and the binaries from bin/."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + os.environ["WHEEL_PLATFORM"]
        build_data["shared_scripts"] = {str(file): file.name for file in sorted(Path(self.root, "bin").iterdir())}
