#!/usr/bin/env python3
"""Runs the table of cases.py on the cluster of kubectl's current context and prints a verdict per case; see README.md."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent))

import cluster
from cases import Case, table, write_dataset
from cluster import NAMESPACE, Backend, kubectl


def run(case: Case, backend: Backend, folder: Path) -> tuple[Case, float, str]:
    """A verdict: the seconds that it took, and what was not as promised."""
    began, wrong = time.monotonic(), ""
    try:
        kubectl("apply", "-k", str(case.write(folder / case.name)))
        case.drive(case, backend)
        cluster.until(f"the Job {case.job} ends", case.seconds, lambda: cluster.ended(case.job))
        case.check(case, backend)
    except Exception as error:  # whatever it is, the other cases go on
        wrong = f"{type(error).__name__}: {error}" if not isinstance(error, AssertionError) else str(error)
    return case, time.monotonic() - began, wrong


def clean(case: Case) -> None:
    for kind in ("job", "configmap", "service"):
        for name in (case.job, f"trainer-job-{case.name}", f"cases-{case.name}"):
            kubectl("-n", NAMESPACE, "delete", kind, name, "--ignore-not-found", "--wait=false", check=False)


def verdict(case: Case, seconds: float, wrong: str) -> None:
    print(f"{'FAIL' if wrong else 'PASS'}  {case.name:24} {seconds:5.0f} s  {case.promise}", flush=True)
    if wrong:
        print(f"      {wrong}\n      kubectl -n {NAMESPACE} describe job {case.job}; kubectl -n {NAMESPACE} logs job/{case.job} --all-pods", flush=True)


def runnable(cases: list[Case]) -> tuple[list[Case], int]:
    """The cases that the cluster's nodes can show, and how many are left out."""
    old = cluster.cgroup_v1_nodes() if any(c.cgroup_v2 for c in cases) else []
    if not old:
        return cases, 0
    for case in cases:
        if case.cgroup_v2:
            print(f"SKIP  {case.name:24}         {case.promise}: {old[0]} has cgroup v1, where a kubelet does not kill containers whole", flush=True)
    rest = [c for c in cases if not c.cgroup_v2]
    return rest, len(cases) - len(rest)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("names", nargs="*", metavar="CASE", help="run these only; one that ends in * is a prefix")
    arguments.add_argument("--list", action="store_true", help="print the table and do nothing")
    arguments.add_argument("--render", type=Path, metavar="FOLDER", help="write the kustomization of each case and do nothing")
    arguments.add_argument("--at-once", type=int, default=2, help="cases at the same time (default: 2, so that two-a and two-b meet)")
    arguments.add_argument("--keep", action="store_true", help="leave the Jobs in the cluster")
    arguments.add_argument("--sandbox", default=str(cluster.K8S.parent.parent / "bin" / "trainer-sandbox"), help="the program, to upload the dataset with")
    given = arguments.parse_args()
    cases = [c for c in table() if not given.names or any(c.name == n or (n.endswith("*") and c.name.startswith(n[:-1])) for n in given.names)]
    if not cases:
        print("acceptance: no case has such a name; --list prints them", file=sys.stderr)
        return 2
    for case in cases:
        case.settings["JOB_ID"] = f"{case.name}-{int(time.time())}"
    if given.list:
        for case in cases:
            print(f"{case.name:24} {case.promise}")
        return 0
    if given.render:
        for case in cases:
            case.write(given.render / case.name)
        write_dataset(given.render)
        return 0
    try:
        name = cluster.context()
        print(f"context {name}, {len(cases)} cases", flush=True)
        cluster.load(name, ["trainer-sandbox:latest", "trainer-base:cpu"])
        cases, left_out = runnable(cases)
        if not cases:
            return 2
        cluster.bring_up()
        with TemporaryDirectory() as folder, cluster.forward("backend", 8000) as url, ThreadPoolExecutor(given.at_once) as pool:
            backend = Backend(url)
            cluster.put(given.sandbox, write_dataset(Path(folder)))
            for case in cases:
                clean(case)
            wrong = 0
            for result in pool.map(lambda c: run(c, backend, Path(folder)), cases):
                verdict(*result)
                wrong += bool(result[2])
                if not given.keep:
                    clean(result[0])
    except cluster.Unusable as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return 2
    print(f"{len(cases) - wrong} of {len(cases)} hold" + (f", {left_out} not run" if left_out else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
