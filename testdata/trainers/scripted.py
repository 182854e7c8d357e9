#!/usr/bin/env python3
"""A trainer that misbehaves on script, for end-to-end tests. Standard library only.

    python scripted.py SCENARIO [ARGUMENT ...]

It talks to the agent as the platform's own callback clients do: BACKEND_BASE_URL
and CALLBACK_TOKEN from the environment, plain HTTP.
"""

import faulthandler
import json
import os
import pickle
import signal
import sys
import termios
import time
import urllib.error
import urllib.request
import zipfile
from datetime import datetime, timezone
from pathlib import Path

ENV = os.environ
JOB = ENV.get("JOB_ID", "")
EPOCHS = int(ENV.get("EPOCHS", "3"))
OUTPUT = Path(ENV.get("OUTPUT_DIR", "."))


def post(path: str, body: dict) -> dict:
    body.setdefault("timestamp", datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"))
    request = urllib.request.Request(
        ENV["BACKEND_BASE_URL"] + path,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {ENV['CALLBACK_TOKEN']}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.loads(response.read() or b"{}")


def heartbeat(epoch: int, **metrics: float) -> None:
    post(f"/api/v1/jobs/{JOB}/heartbeat", {"epoch": epoch, "progress": 100.0 * epoch / EPOCHS, "metrics": metrics})


def event(name: str, **data: object) -> None:
    post(f"/api/v1/jobs/{JOB}/event", {"event_type": name, "message": name, "data": data})


def validation(epoch: int, value: float) -> bool:
    reply = post(f"/api/v1/jobs/{JOB}/validation", {
        "epoch": epoch, "task_type": ENV["TASK_TYPE"], "primary_metric_name": ENV["PRIMARY_METRIC"], "primary_metric_value": value,
        "metrics": {ENV["PRIMARY_METRIC"]: value}, "per_class_metrics": None, "confusion_matrix": None, "pr_curves": None,
        "image_results_path": None, "num_images_validated": 8, "validation_time_seconds": 0.1,
    })
    return bool(reply["is_best"])


def save(name: str, seed: int, size: int = 100_000, data: bytes = b"") -> None:
    """A file that torch would accept as a checkpoint: a stored zip."""
    path = Path(ENV["CHECKPOINT_DIR"]) / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", data or bytes([seed % 256]) * size)


def save_epoch(name: str, epoch: int) -> None:
    """One that says inside which epoch it holds, as Lightning writes it: counted from 0."""
    save(name, epoch, data=pickle.dumps({"epoch": epoch - 1, "pytorch-lightning_version": "2.5"}, protocol=2))


def epochs(loss=lambda e: 1.0 / e) -> None:
    for epoch in range(1, EPOCHS + 1):
        print(f"epoch {epoch}/{EPOCHS} loss {loss(epoch)}")
        heartbeat(epoch, loss=loss(epoch))
        best = validation(epoch, 0.5 + 0.1 * epoch)
        save("last.pt", epoch)
        save(f"epoch{epoch - 1}.pt" if "weights" in ENV["CHECKPOINT_DIR"] else f"epoch-{epoch}.pt", epoch)
        if best:
            save("best.pt", epoch)


def done(status: str = "succeeded", **fields: object) -> None:
    post(f"/api/v1/jobs/{JOB}/done", {"status": status, "final_metrics": {"accuracy": 0.9}, "checkpoint_path": None, "error_message": None} | fields)


def ok() -> None:
    epochs()
    done()


def quick() -> None:
    save("last.pt", 1)
    save("best.pt", 1)


def no_checkpoint() -> None:
    heartbeat(1, loss=1.0)


def leaves_a_line_open() -> None:
    quick()
    os.write(1, b" 75%|#######   |")


def stores_itself() -> None:
    """Say that the checkpoint is in the bucket already."""
    heartbeat(EPOCHS, loss=0.1)
    done(checkpoint_path=ENV["STORED_AT"])


def empty_checkpoint() -> None:
    heartbeat(1, loss=1.0)
    (Path(ENV["CHECKPOINT_DIR"]) / "best.ckpt").touch()


def torn_checkpoint() -> None:
    save("last.pt", 1)
    os.truncate(Path(ENV["CHECKPOINT_DIR"]) / "last.pt", 60_000)


def any_name() -> None:
    save("model.pth", 1)


def text_checkpoint() -> None:
    """A checkpoint without an end mark, renamed into place as SIGTERM comes, which ends the script at once."""
    partial = Path(ENV["CHECKPOINT_DIR"]) / ".best.ckpt.tmp"
    partial.write_text("0.73")
    time.sleep(0.05)  # a tick of the kernel's clock
    partial.replace(partial.with_name("best.ckpt"))
    event("scripted_ready", pid=os.getpid())
    while True:
        signal.pause()


def nothing_yet() -> None:
    """SIGTERM comes before anything was saved."""
    event("scripted_ready", pid=os.getpid())
    while True:
        signal.pause()


def fails() -> None:
    heartbeat(1, loss=1.0)
    save("last.pt", 1)
    raise ValueError("the learning rate is a lie")


def cuda_oom() -> None:
    raise MemoryError_("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 23.65 GiB of which 1.2 GiB is free.")


class MemoryError_(RuntimeError):
    pass


MemoryError_.__name__ = MemoryError_.__qualname__ = "OutOfMemoryError"
MemoryError_.__module__ = "torch"


def nan_loss() -> None:
    epochs(loss=lambda _: float("nan"))
    done()


def says_failed() -> None:
    save("last.pt", 1)
    done("failed", error_message="no improvement was possible")
    sys.exit(3)


def lingers() -> None:
    """Train every epoch, then stay until told to stop."""
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    epochs()
    event("scripted_ready", pid=os.getpid())
    while not stopped:
        signal.pause()


def waits() -> None:
    """Train until told to stop; then save, as a good trainer does."""
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    heartbeat(1, loss=1.0)
    event("scripted_ready", pid=os.getpid())
    while not stopped:
        signal.pause()
    save("last.pt", 7)
    sys.exit(0)


def ignores_term() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.fork() == 0:  # a grandchild that leaves the group and holds our output
        os.setsid()
        signal.pause()
    save("last.pt", 1)
    event("scripted_ready", pid=os.getpid())
    while True:
        signal.pause()


def traps() -> None:
    """Put a pipe that nobody writes to where the agent looks for an error file."""
    os.mkfifo(ENV["TORCHELASTIC_ERROR_FILE"])
    raise RuntimeError("it's a trap")


def segfaults() -> None:
    heartbeat(1, loss=1.0)
    os.kill(os.getpid(), signal.SIGSEGV)


def silent() -> None:
    """An unmodified script: no callback at all, Ultralytics' files."""
    run = OUTPUT / "train"
    (run / "weights").mkdir(parents=True)
    os.environ["CHECKPOINT_DIR"] = str(run / "weights")
    with open(run / "results.csv", "a") as table:
        for epoch in range(1, EPOCHS + 1):
            head = "epoch,time,train/box_loss,metrics/mAP50-95(B)\n" if epoch == 1 else ""
            table.write(f"{head}{epoch},{epoch}.0,{1 / epoch},{0.1 * epoch}\n")
            table.flush()
            save("last.pt", epoch)
    save("best.pt", EPOCHS)


def dumps() -> None:
    """Write what a trainer can see: its environment, arguments and dataset."""
    quick()
    files = sorted(str(p.relative_to(ENV["DATASET_DIR"])) for p in Path(ENV["DATASET_DIR"]).rglob("*") if not p.is_dir())
    handles = sorted(filter(None, map(handle, os.listdir("/proc/self/fd")))) if sys.platform == "linux" else []
    (OUTPUT / "seen.json").write_text(json.dumps({"env": dict(ENV), "argv": sys.argv[2:], "files": files, "uid": os.getuid(), "handles": handles}))


def handle(number: str) -> str:
    """What a descriptor is of; the one that listed them is gone."""
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError:
        return ""


def resumes() -> None:
    """Continue at the epoch after the checkpoint; die by SIGKILL in the middle the first time."""
    resumed = ENV.get("RESUME_CHECKPOINT")
    first = 1
    if resumed:
        with zipfile.ZipFile(resumed) as archive:
            first = pickle.loads(archive.read("archive/data.pkl"))["epoch"] + 2
    for epoch in range(first, EPOCHS + 1):  # no time to train: by its time alone a file could be of two epochs
        save_epoch("last.pt", epoch)
        heartbeat(epoch, loss=1.0 / epoch)
        validation(epoch, 0.5 + 0.1 * epoch)
        save_epoch("best.pt", epoch)
        if epoch == 3 and not resumed:
            event("scripted_ready", pid=os.getpid())
            while True:
                signal.pause()


def floods() -> None:
    quick()
    sys.stdout.write("x" * 20_000_000)
    sys.stdout.write("\nafter the flood\n")


def sleeps() -> None:
    """Hang: no output, no callback, no work."""
    save("last.pt", 1)
    event("scripted_ready", pid=os.getpid())
    while True:
        time.sleep(3600)


def works_in_silence() -> None:
    quick()
    while time.process_time() < 5:
        pass


def talks_idly() -> None:
    quick()
    began = time.monotonic()
    while time.monotonic() - began < 5:
        print("still waiting", flush=True)
        time.sleep(0.1)


def hangs_with_a_handler() -> None:
    """As the SDK prepares a trainer: a signal prints the stacks."""
    faulthandler.register(signal.SIGUSR1, all_threads=True, chain=False)
    save("last.pt", 1)

    def waits_for_nobody() -> None:
        while True:
            time.sleep(3600)
    waits_for_nobody()


def says() -> None:
    """Write the arguments, each with a system call of its own."""
    quick()
    for piece in sys.argv[2:]:
        os.write(1, piece.encode())
    os.write(1, b"\n")


def fills() -> None:
    """Take memory up to 91 % and 96 % of the cgroup's limit, waiting for SIGUSR1 at each, then all of it; or all at once."""
    group = Path(sys.argv[2])
    v2 = (group / "memory.max").exists()
    usage, limit = (group / name for name in (("memory.current", "memory.max") if v2 else ("memory.usage_in_bytes", "memory.limit_in_bytes")))

    def used() -> int:  # as the agent counts: without files
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(usage.read_text()) - int(stat["inactive_file"]) - int(stat["active_file"])

    signal.signal(signal.SIGUSR1, lambda *_: None)  # the agent asks the kernel who has a handler; sigwait alone is not seen there
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    heartbeat(1, loss=1.0)
    memory = []
    most = int(limit.read_text())
    for level in (2,) if "at once" in sys.argv else (0.91, 0.96, 2):
        while (left := level * most - used()) > 0:
            memory.append(b"x" * max(1 << 20, int(left / 2)))
        signal.sigwait([signal.SIGUSR1])


def steps() -> None:
    """Draw a progress bar, and go a step further at every key."""
    settings = termios.tcgetattr(0)
    settings[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(0, termios.TCSANOW, settings)
    for epoch in range(1, EPOCHS + 1):
        print(f"\r\x1b[Kbar {epoch}: 10%", end="")
        os.read(0, 1)
        print(f"\r\x1b[Kbar {epoch}: 100%")
        heartbeat(epoch, loss=1.0 / epoch)
        if validation(epoch, 0.5 + 0.1 * epoch):
            save("best.pt", epoch, 2_000_000)
        os.read(0, 1)
    done()


def eats_memory() -> None:
    """Grow until the kernel ends it; without a limit end at 4 GiB."""
    eaten = []
    for _ in range(256):
        eaten.append(b"x" * (16 << 20))
    sys.exit("no limit at 4 GiB")


def fills_shm() -> None:
    """Write batches to /dev/shm, as the workers of a DataLoader do."""
    for batch in range(64):
        with open(f"/dev/shm/torch_{batch}", "wb") as file:
            file.write(b"x" * (4 << 20))


SCENARIOS = {f.__name__.replace("_", "-"): f for f in (
    ok, quick, no_checkpoint, stores_itself, leaves_a_line_open,
    empty_checkpoint, torn_checkpoint, any_name, text_checkpoint, nothing_yet, fails, cuda_oom, nan_loss, says_failed, lingers, waits, ignores_term, segfaults, traps, silent, dumps, resumes, floods, sleeps, fills, steps,
    eats_memory, fills_shm, works_in_silence, talks_idly, hangs_with_a_handler, says)}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SCENARIOS:
        sys.exit(f"usage: scripted.py {'|'.join(SCENARIOS)}")
    SCENARIOS[sys.argv[1]]()
