"""What a trainer says to the platform and what the platform says to it. Standard library only.

`run(train)` reads the job from the environment that trainer-agent prepared, calls
`train(job, platform)` and turns its end into an exit code. `Platform` reports heartbeats,
events, validations and results to the agent's loopback relay, in order and with short
timeouts, and never raises into a training loop; without an agent it prints instead.
Storage, retries, checkpoint uploads and system metrics are the agent's work, not the trainer's.

    import trainer_sdk

    def train(job, platform):
        for epoch in range(1, job.epochs + 1):
            platform.heartbeat(epoch, {"loss": 1 / epoch})
            if platform.stop_requested:
                return
        platform.done({"loss": 1 / job.epochs})

    if __name__ == "__main__":
        trainer_sdk.run(train)
"""

from .callbacks import Platform
from .job import PRIMARY_METRICS, ClassEntry, Job, JobError, split_config
from .jsonfile import clean, now, write_json
from .metrics import log
from .options import check_options
from .process import EXIT_FAILED, EXIT_STOPPED, current, launch_processes, run, watch_signals

__version__ = "1.0.0"

__all__ = [
    "EXIT_FAILED", "EXIT_STOPPED", "PRIMARY_METRICS", "ClassEntry", "Job", "JobError", "Platform",
    "check_options", "clean", "current", "launch_processes", "log", "now", "run", "split_config", "watch_signals", "write_json",
]
