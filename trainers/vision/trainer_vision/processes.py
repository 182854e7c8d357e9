"""Several processes that train one model: what one knows, all know. Needs torch.

Every function is right for a single process too, so that a training loop has one form.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from trainer_sdk import Job, JobError, launch_processes

RANK = int(os.environ.get("RANK", 0))
PROCESSES = int(os.environ.get("WORLD_SIZE", 1))


def torch_device(name: str) -> torch.device:
    """DEVICE for this process: "cuda" is the GPU of its local rank."""
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise JobError(f"DEVICE is {name}, but torch sees no GPU; set DEVICE=cpu or give the container a GPU")
    if name == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device(name)


def use_cpus() -> None:
    """A model alone on a machine takes all processors that are its own; OMP_NUM_THREADS wins."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(cpus())


KEPT = 1 << 30  # bytes
MOST_BEFORE = 32 << 20  # bytes that glibc before 2.35 takes as M_MMAP_THRESHOLD; it refuses more
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def ready_to_predict(model: torch.nn.Module) -> None:
    """A model on its device as it predicts fastest: on a processor with convolutions in the layout that they are computed in
    (docs/decisions/0191). What it answers changes by the last digits only."""
    use_cpus()
    keep_memory()
    if all(p.device.type == "cpu" for p in model.parameters()):
        model.to(memory_format=torch.channels_last)


def keep_memory() -> None:
    """Large tensors stay with the process when they are freed: else every layer of every batch asks the kernel for pages, which it has to clear.

    The one limit without the other is worse than none: glibc adapts neither once one is set, and 128 KiB would be given back at once.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's; others have none
    if mallopt and (mallopt(M_MMAP_THRESHOLD, KEPT) or mallopt(M_MMAP_THRESHOLD, MOST_BEFORE)):
        mallopt(M_TRIM_THRESHOLD, KEPT)


def cpus(root: Path = Path("/sys/fs/cgroup")) -> int:
    """The processors of this process: those that it may run on, and of a container what its quota makes of them."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        if (root / "cpu.max").is_file():
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota, period = ((root / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        share = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup, or "max"
        return allowed
    return min(allowed, max(1, math.ceil(share))) if share > 0 else allowed


def gpu_count(device: str) -> int:
    """How many processes a job on this device starts on one machine."""
    return torch.cuda.device_count() if device == "cuda" else 1


def launch(argv: Sequence[str], alone: Callable[[Job], bool] = lambda _job: False) -> None:
    """Start the script again with a process a GPU. A job that cannot be read is left to `run`, which tells the platform why."""
    with contextlib.suppress(JobError, ValueError):
        job = Job.load(argv)
        if not alone(job):
            launch_processes(gpu_count(job.device))


def joined() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


LEFT: list[Any] = []  # groups that this process has left, until it ends


def leave() -> None:
    """The end of the work together, called while the interpreter is whole: threads of the group that were
    cut off by its end would end the process by a signal, after a training that succeeded.

    The group outlives the model of DistributedDataParallel: who frees a group last waits for its threads, and the model
    would wait with Python's lock in hand, which such a thread needs to let go of its last tensor (docs/decisions/0262).
    Python's own object of the group frees it without the lock."""
    if joined():
        LEFT.append(torch.distributed.group.WORLD)
        torch.distributed.destroy_process_group()


@atexit.register
def forget_groups() -> None:
    LEFT.clear()


def gather(value: Any) -> list[Any]:
    """The value of every process, in rank order."""
    if not joined():
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def agree(flag: bool, device: torch.device) -> bool:
    """True on every process when it is true on one. Cheap enough for every step."""
    if not joined():
        return flag
    value = torch.tensor(int(flag), device=device)
    torch.distributed.all_reduce(value, op=torch.distributed.ReduceOp.MAX)
    return bool(value.item())
