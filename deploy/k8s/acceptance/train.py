#!/usr/bin/env python3
"""A training of small epochs that goes wrong as its settings say. Standard library only.

CASE_ON_TERM   what SIGTERM does: exit0, exit1, exit143 (the default), each after a save, or ignore
CASE_FAIL      what the machine CASE_RANK does after its third epoch, unless it resumed: cuda, killed, exit1
CASE_FILL      MiB that are taken every tenth of a second from the third epoch on
CASE_SECONDS   of an epoch
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

ENV = os.environ
EPOCHS, RANK = int(ENV.get("EPOCHS", "10")), int(ENV.get("PET_NODE_RANK") or ENV.get("NODE_RANK") or "0")
RESUMED = int(ENV.get("RESUME_EPOCH") or "0")


def post(kind: str, body: dict[str, object]) -> None:
    request = urllib.request.Request(
        f"{ENV['BACKEND_BASE_URL']}/api/v1/jobs/{ENV['JOB_ID']}/{kind}", json.dumps(body).encode(),
        {"Authorization": f"Bearer {ENV['CALLBACK_TOKEN']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        answer.read()


def save(epoch: int) -> None:
    """A stored zip, as torch writes: whole when its end is there."""
    folder = Path(ENV["CHECKPOINT_DIR"])
    for name in ("last.pt", "best.pt"):
        with zipfile.ZipFile(folder / f".{name}", "w") as archive:
            archive.writestr("archive/data.pkl", json.dumps({"epoch": epoch}))
        (folder / f".{name}").replace(folder / name)


def on_term(*_: object) -> None:
    how = ENV.get("CASE_ON_TERM", "exit143")
    if how != "ignore":
        save(epoch)
        os._exit(int(how.removeprefix("exit")))


def fail() -> None:
    how = ENV.get("CASE_FAIL", "")
    if how == "cuda":
        print("Traceback (most recent call last):\n  File \"/cases/train.py\", line 1, in <module>\n"
              "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 GiB", file=sys.stderr, flush=True)
        os._exit(1)
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit1":
        print("ValueError: this machine was told to fail", file=sys.stderr, flush=True)
        os._exit(1)


epoch = RESUMED
signal.signal(signal.SIGTERM, on_term)
taken = []
for epoch in range(RESUMED + 1, EPOCHS + 1):
    time.sleep(float(ENV.get("CASE_SECONDS", "0.5")))
    post("heartbeat", {"epoch": epoch, "progress": 100 * epoch / EPOCHS, "metrics": {"loss": 1 / epoch}})
    print(f"epoch {epoch}/{EPOCHS}", flush=True)
    save(epoch)
    if epoch >= 3 and int(ENV.get("CASE_RANK", "1")) == RANK and not RESUMED:
        fail()
    while epoch >= 3 and (fill := int(ENV.get("CASE_FILL", "0"))):
        taken.append(b"x" * (fill << 20))
        time.sleep(0.1)
post("done", {"status": "succeeded", "final_metrics": {"loss": 1 / EPOCHS}})
