#!/usr/bin/env python3
"""A training on several machines, small and real: torch's gloo, started by torchrun through the SDK.

Every process reports and saves on purpose, as a script that knows nothing of ranks does:
the agents see to it that only node 0 is heard. SLOW=1 trains until it is stopped; FAIL_ON_RANK names one that fails.
"""

import os
import time
from datetime import timedelta

from trainer_sdk import Job, Platform, launch_processes, run


def train(job: Job, platform: Platform) -> None:
    import torch
    from torch import distributed, nn

    distributed.init_process_group("gloo", timeout=timedelta(minutes=10))
    rank, world = distributed.get_rank(), distributed.get_world_size()
    speaker = Platform(job, os.environ["BACKEND_BASE_URL"], os.environ["CALLBACK_TOKEN"], rank=0)  # of every rank
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    slow = bool(os.environ.get("SLOW"))
    epoch = int(os.environ.get("RESUME_EPOCH", 0))
    if job.resume_checkpoint:
        model.module.load_state_dict(torch.load(job.resume_checkpoint))
    begun = torch.tensor(float(epoch))
    distributed.all_reduce(begun, distributed.ReduceOp.MAX)
    assert begun.item() == epoch, f"rank {rank} begins after epoch {epoch}, another one after {begun.item()}"
    while epoch < job.epochs or slow:
        epoch += 1
        x = torch.full((8, 4), float(rank + 1))
        loss = model(x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if os.environ.get("FAIL_ON_RANK") == str(rank):
            raise ValueError(f"rank {rank} of {world} is told to fail")
        total = torch.tensor(float(rank))
        distributed.all_reduce(total)
        print(f"rank {rank} of {world} epoch {epoch} sum {total.item()}", flush=True)
        if epoch <= job.epochs:
            speaker.heartbeat(epoch, {"loss": loss.item(), "rank": rank})
            torch.save(model.module.state_dict(), job.checkpoint_dir / "last.pt")
        if slow:
            if epoch == 1:
                speaker.event("scripted_ready", "training")
            time.sleep(0.2)
    speaker.done({"loss": loss.item(), "world": world}, checkpoint_path="checkpoints/last.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    launch_processes(1)
    run(train)
