#!/usr/bin/env python3
"""Compare trainer-agent as PID 1 with tini, dumb-init and catatonit.

Every init runs the same commands as PID 1 of a fresh PID namespace, in turns, so that
a busy machine hits all alike. Prints one markdown section.

    python3 testdata/bench/init/bench.py --agent bin/trainer-agent --sandbox bin/trainer-sandbox
"""
import argparse
import json
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import time

import training

HERE = os.path.dirname(os.path.abspath(__file__))
BURST = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGXCPU, signal.SIGXFSZ,
         signal.SIGIO, signal.SIGPWR, signal.SIGWINCH, signal.SIGRTMIN + 5, signal.SIGRTMIN + 9]
NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def inits(agent):
    found = {"trainer-agent": [agent, "exec", "--"]}
    for name in ("tini", "dumb-init", "catatonit"):
        path = shutil.which(name)
        if path is None:
            sys.exit(f"{name} is not installed: apt-get install tini dumb-init catatonit")
        found[name] = [path, "--"]
    return found


def start(init, *command, **options):
    return subprocess.Popen([*NAMESPACE, *init, *command], stdout=subprocess.PIPE, text=True, **options)


def only_child(pid):
    """The first process that this one started; waits until there is one."""
    while True:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as f:
                children = f.read().split()
            if children:
                return int(children[0])


def started(init):
    """Seconds from spawning the init to the first instruction of a shell under it."""
    began = time.time()
    process = subprocess.run([*init, "bash", "-c", "echo $EPOCHREALTIME"], stdout=subprocess.PIPE, text=True, check=True,
                             env={**os.environ, "TINI_SUBREAPER": "1"})
    return float(process.stdout.replace(",", ".")) - began


def latency(all_inits, rounds):
    samples = {name: [] for name in [*all_inits, "none"]}
    for _ in range(rounds):
        for name in samples:
            samples[name].append(started(all_inits.get(name, [])))
    return ({name: statistics.median(values) * 1000 for name, values in samples.items()},
            {name: min(values) * 1000 for name, values in samples.items()})


def memory(pid, field="Rss"):
    """MiB: Rss is with the pages of the program file that are in memory, Anonymous is the process's own."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        fields = dict(line.split(":", 1) for line in f if ":" in line and "-" not in line.split(":")[0])
    return int(fields[field].split()[0]) / 1024


def cpu_seconds(pid):
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def idle(all_inits, seconds):
    """RSS in MiB and CPU in percent of a core while the child sleeps."""
    running = {}
    for name, init in all_inits.items():
        process = start(init, "sh", "-c", "echo ready; exec sleep 1000")
        process.stdout.readline()
        running[name] = (process, only_child(process.pid))
    before = {name: cpu_seconds(pid) for name, (_, pid) in running.items()}
    time.sleep(seconds)
    result = {}
    for name, (process, pid) in running.items():
        result[name] = (memory(pid), 100 * (cpu_seconds(pid) - before[name]) / seconds)
        process.kill()
        process.wait()
    return result


def beside_a_training(agent, sandbox, seconds):
    """The agent's RSS and what of it is its own, in MiB, and its CPU in percent of a core."""
    with training.sleeping(agent, sandbox) as pid:
        time.sleep(2)
        before = cpu_seconds(pid)
        time.sleep(seconds)
        return memory(pid), memory(pid, "Anonymous"), 100 * (cpu_seconds(pid) - before) / seconds


def burst(init, rounds):
    """Signals that arrive, of those sent in bursts of 11 different ones."""
    process = start(init, sys.executable, os.path.join(HERE, "listener.py"), *[str(int(s)) for s in BURST])
    process.stdout.readline()
    pid = only_child(process.pid)
    arrived = 0
    for _ in range(rounds):
        for sig in BURST:
            os.kill(pid, sig)
        deadline = time.monotonic() + 1
        os.set_blocking(process.stdout.fileno(), False)
        got = 0
        while got < len(BURST) and time.monotonic() < deadline:
            got += process.stdout.read().count("\n") if readable(process.stdout, deadline) else 0
        arrived += got
    process.kill()
    process.wait()
    return arrived, rounds * len(BURST)


def readable(stream, deadline):
    return bool(select.select([stream], [], [], max(0, deadline - time.monotonic()))[0])


def zombies(init, orphans):
    """Zombies 100 ms after the last of many orphans died, and the time of the storm."""
    out = subprocess.run([*NAMESPACE, *init, sys.executable, os.path.join(HERE, "storm.py"), str(orphans)],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(out)


def escalation(init, patience):
    """Seconds from SIGTERM to the end of a command that ignores it; None = it goes on."""
    process = start(init, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
    process.stdout.readline()
    began = time.monotonic()
    os.kill(only_child(process.pid), signal.SIGTERM)
    try:
        process.wait(patience)
        return time.monotonic() - began
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", default="bin/trainer-agent")
    parser.add_argument("--sandbox", default="bin/trainer-sandbox")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--orphans", type=int, default=10000)
    parser.add_argument("--idle", type=float, default=20, help="seconds")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("PID namespaces need root")
    agent = os.path.abspath(args.agent)
    everyone = inits(agent)

    start_ms, fastest = latency(everyone, args.rounds)
    idle_use = idle(everyone, args.idle)
    resident, own, job_cpu = beside_a_training(agent, os.path.abspath(args.sandbox), args.idle)
    print("## PID 1 beside tini, dumb-init and catatonit\n")
    print(f"Binary: {os.path.getsize(agent) / 2**20:.1f} MiB. Medians of {args.rounds} starts; "
          f"a command without any init starts in {start_ms['none']:.1f} ms.\n")
    print("| | start to exec | over tini | fastest | idle RSS | idle CPU | burst arrives "
          f"| zombies after {args.orphans} orphans | stops what ignores SIGTERM |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, init in everyone.items():
        rss, cpu = idle_use[name]
        arrived, sent = burst(init, args.rounds)
        storm = zombies(init, args.orphans)
        grace = [*init[:-1], "--grace", "1s", "--"] if name == "trainer-agent" else init
        ended = escalation(grace, 5)
        print(f"| {name} | {start_ms[name]:.1f} ms ({start_ms[name] / start_ms['tini']:.1f}×) "
              f"| {start_ms[name] - start_ms['tini']:+.1f} ms | {fastest[name]:.1f} ms "
              f"| {rss:.1f} MiB ({rss / idle_use['tini'][0]:.0f}×) | {cpu:.3f} % "
              f"| {arrived} of {sent} | {storm['zombies']} (storm {storm['seconds']:.1f} s) "
              f"| {'never' if ended is None else f'{ended:.1f} s (grace 1 s)'} |")
    print(f"\nThe table is of `trainer-agent exec`. A whole job (`run`: outbox, relay, watchers, heartbeats to a backend) whose training sleeps: "
          f"RSS {resident:.1f} MiB after {args.idle:.0f} s, of which {own:.1f} MiB are its own and the rest pages of the program file, {job_cpu:.3f} % of a core.")
    print()


if __name__ == "__main__":
    main()
