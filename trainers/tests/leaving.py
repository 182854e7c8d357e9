"""Two processes that train together and part, again and again: each round ends as a training does. Stacks and an end when a round hangs.

    python leaving.py ROUNDS
"""

from __future__ import annotations

import faulthandler
import socket
import sys
import time

import torch
from torch import distributed, multiprocessing
from trainer_vision import processes

HANGS_AFTER = 60  # seconds; a round takes 20 ms


def train_and_leave(rank: int, store: distributed.Store) -> None:
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 2))
    for _ in range(2):
        model(torch.ones(3, 4)).sum().backward()
    processes.gather(rank)
    processes.agree(False, torch.device("cpu"))
    if rank == 0:
        time.sleep(0.002)  # the first process has something to report while the other ends
    processes.leave()


def rounds(rank: int, port: int, count: int) -> None:
    store = distributed.TCPStore("127.0.0.1", port, 2, is_master=rank == 0)
    for i in range(count):
        faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
        train_and_leave(rank, distributed.PrefixStore(str(i), store))
        processes.forget_groups()  # as at the end of the process
        faulthandler.cancel_dump_traceback_later()
    store.set(f"end {rank}", "")
    store.get(f"end {1 - rank}")  # the store ends with its process


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    multiprocessing.spawn(rounds, (free_port(), int(sys.argv[1])), nprocs=2)
