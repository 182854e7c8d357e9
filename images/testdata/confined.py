"""What a training process can do in its container; written to OUTPUT_DIR/seen.json."""

import errno
import json
import os
from pathlib import Path


def refusal(path: str) -> str | None:
    """Why a file cannot be made in a folder."""
    try:
        with open(Path(path) / "probe", "w"):
            return None
    except OSError as error:
        return errno.errorcode[error.errno]


status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
output = Path(os.environ["OUTPUT_DIR"])
(output / "checkpoints" / "last.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
(output / "seen.json").write_text(json.dumps({
    "uid": os.getuid(),
    "groups": sorted(os.getgroups()),
    "capabilities": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "no_new_privs": status["NoNewPrivs"],
    "seccomp": status["Seccomp"],
    "pid1": Path("/proc/1/cmdline").read_text().split("\0")[0],
    "refusals": {path: refusal(path) for path in ("/", "/usr/local/bin", "/opt", "/etc", "/workspace/.agent", "/tmp", "/workspace", "/workspace/home", "/dev/shm")},
    "environment": dict(os.environ),
}))
