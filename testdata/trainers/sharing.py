#!/usr/bin/env python3
"""A training whose processes exchange memory in every way that PyTorch and multiprocessing have; prints each that worked.

The agent confines a training's calls, files and sockets; none of these may be in the way of what a DataLoader or torchrun does.
"""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path


class Numbers:
    """A dataset; PyTorch is imported where it is used, for processes that are started afresh import this file."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> object:
        import torch

        return torch.full((64, 64), float(index)), os.getpid()


def loads(strategy: str) -> None:
    import torch

    torch.multiprocessing.set_sharing_strategy(strategy)
    kept, workers = [], set()
    for images, pids in torch.utils.data.DataLoader(Numbers(), batch_size=2, num_workers=2):  # type: ignore[arg-type]
        kept.append(images)
        workers |= set(pids.tolist())
    assert torch.cat(kept)[:, 0, 0].tolist() == list(range(16)), "the images are not those of the workers"
    assert len(workers) == 2 and os.getpid() not in workers, f"read by {workers}"


def manages(method: str) -> None:
    """A forkserver and a manager listen at abstract sockets."""
    with multiprocessing.get_context(method).Manager() as manager:
        shared = manager.dict({"a": 1})
        assert shared.copy() == {"a": 1}


def reduces() -> None:
    """One of torchrun's processes."""
    import torch
    from torch import distributed

    distributed.init_process_group("gloo")
    total = torch.tensor([distributed.get_rank() + 1.0])
    distributed.all_reduce(total)
    assert (total.item(), distributed.get_world_size()) == (3.0, 2), total
    loads("file_system")
    distributed.destroy_process_group()


def main() -> None:
    import torch

    for strategy in sorted(torch.multiprocessing.get_all_sharing_strategies()):
        loads(strategy)
        print(f"sharing: DataLoader {strategy}", flush=True)
    for method in ("fork", "spawn", "forkserver"):
        manages(method)
        print(f"sharing: Manager {method}", flush=True)
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__], check=True)
    print("sharing: torchrun gloo", flush=True)
    partial = Path(os.environ["CHECKPOINT_DIR"], ".last.pt.tmp")
    torch.save({"a": torch.ones(2)}, partial)
    partial.rename(partial.with_name("last.pt"))


if __name__ == "__main__":
    reduces() if "LOCAL_RANK" in os.environ else main()
