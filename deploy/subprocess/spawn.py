import os
import signal
import subprocess
from pathlib import Path


def spawn(job: dict[str, str], command: list[str], root: Path) -> subprocess.Popen[bytes]:
    workspace = root / "jobs" / job["JOB_ID"]  # of this job alone; started again in it, the job goes on
    workspace.mkdir(parents=True, exist_ok=True)
    host = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**host, **job, "WORKSPACE_DIR": str(workspace), "AGENT_DATASET_CACHE_DIR": str(root / "cache")}
    with open(workspace / "agent.log", "ab") as log:
        return subprocess.Popen(["trainer-agent", "run", "--", *command], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def cancel(agent: subprocess.Popen[bytes]) -> None:
    agent.send_signal(signal.SIGTERM)  # the agent, not its group: it stops the training and saves what there is


def outcome(exit_code: int) -> str:  # of agent.wait()
    return {0: "succeeded", 1: "failed", 2: "ended, done is undelivered", 143: "stopped"}.get(exit_code, "run it again")
