"""Runs a trainer with the contract's environment and a relay, in a process of its own."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import unittest
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import warm
from relay import TOKEN, Relay
from warm import Warm

TRAINERS = Path(__file__).resolve().parent.parent
GUARD = Path(__file__).resolve().parent / "guard"  # its sitecustomize.py lets no process reach the network
TIMEOUT = 600  # seconds; a bound for a trainer that hangs, not a promise


@dataclass(frozen=True)
class Run:
    """A trainer's end."""

    code: int
    output: str
    relay: Relay

    def epochs(self) -> list[int]:
        return [body["epoch"] for body in self.relay.of("heartbeat")]

    def ends_as(self, early: Run) -> bool:
        """It resumed a training that patience had ended, and says and tells the same of it."""
        return self.ending() == early.ending()

    def ending(self) -> list[Any]:
        events = [(e["message"], e["data"]) for e in self.relay.of("event") if e["event_type"] == "early_stopped"]
        return [*events, *(self.done["final_metrics"][name] for name in ("best_epoch", "epochs"))]

    def ended_early(self, epochs: int) -> bool:
        """It said so once, with the epoch where it ended, and then told its metrics."""
        (event,) = [event for event in self.relay.of("event") if event["event_type"] == "early_stopped"]
        last = self.epochs()[-1]
        says = event["data"]["epoch"] == last and f"the training ends early, after epoch {last} of {epochs}" in event["message"]
        return says and last < epochs and event["data"]["best_epoch"] == self.done["final_metrics"]["best_epoch"] == last - event["data"]["patience"]

    @property
    def done(self) -> dict[str, Any]:
        (body,) = self.relay.of("done")
        return body


def environment(relay: Relay | None, package: object = None, **job: object) -> dict[str, str]:
    """The environment of a trainer and nothing else of this process's; with a package, the modules of that folder can be imported."""
    kept = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR") if k in os.environ}
    kept["PYTHONPATH"] = os.pathsep.join(map(str, filter(None, [GUARD, package, os.environ.get("PYTHONPATH")])))
    kept["TEST_HANGS_AFTER"] = str(TIMEOUT - 30)
    fixed = {"JOB_ID": "job-1", "TRACE_ID": "trace-1", "DEVICE": "cpu", "NUM_WORKERS": "0", "PYTHONUNBUFFERED": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    address = {"BACKEND_BASE_URL": relay.url, "CALLBACK_TOKEN": TOKEN} if relay else {}
    return {**kept, **fixed, **address, **{k: str(v) for k, v in job.items()}}


@contextmanager
def started(script: str, relay: Relay, *arguments: str, **job: object) -> Iterator[Warm]:
    """A trainer under way; it is killed when the block ends before it does."""
    process = Warm([str(TRAINERS / script), *arguments], environment(relay, **job))
    with ended(process):
        yield process


@contextmanager
def freshly_started(script: str, relay: Relay, *arguments: str, **job: object) -> Iterator[subprocess.Popen[str]]:
    """A program under way that is read while it runs, or whose beginning matters."""
    process = subprocess.Popen([sys.executable, str(TRAINERS / script), *arguments], env=environment(relay, **job), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    with ended(process):
        yield process


@contextmanager
def ended(process: Warm | subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.communicate()


class TrainerTest(unittest.TestCase):
    """A test with trainers; each gets a relay of its own."""

    maxDiff = None

    def trainer(self, script: str, *arguments: str, **job: object) -> Run:
        relay = Relay()
        self.addCleanup(relay.close)
        start = freshly_started if "PET_NPROC_PER_NODE" in job else started  # torchrun takes the process's place: what a copy has imported is lost
        with start(script, relay, *arguments, **job) as process:
            output, _ = process.communicate(timeout=TIMEOUT)
        self.assertNotIn("[guard]", output)
        return Run(process.returncode, output, relay)

    def succeed(self, script: str, *arguments: str, **job: object) -> Run:
        run = self.trainer(script, *arguments, **job)
        self.assertEqual(run.code, 0, run.output[-4000:])
        return run

    def fail_with(self, text: str, script: str, *arguments: str, **job: object) -> Run:
        run = self.trainer(script, *arguments, **job)
        self.assertEqual(run.code, 1, run.output[-4000:])
        self.assertIn(text, run.output)
        return run

    def assert_refused(self, folder: str, job: Mapping[str, object], cases: Mapping[str, Mapping[str, object]]) -> None:
        """What is said against the job with each change; all in one process, for most of a refusal's time is spent on imports."""
        jobs = [{k: str(v) for k, v in {"NUM_WORKERS": 0, "DEVICE": "cpu", **job, **change}.items()} for change in cases.values()]
        command = [str(Path(__file__).with_name("probe_refused.py")), folder, json.dumps(jobs)]
        found = warm.run(command, environment(None, package=TRAINERS / folder), timeout=TIMEOUT)
        self.assertEqual(found.returncode, 0, found.stderr[-3000:])
        for message, told in zip(cases, json.loads(found.stdout.splitlines()[-1]), strict=True):
            with self.subTest(message):
                self.assertIn(message, told)
                self.assertNotIn("Traceback", told)

    def assert_a_cut_epoch_is_trained_again(self, folder: str, cut_at: int, **job: object) -> None:
        """A stop in the middle of the second of three epochs, then a resume: every epoch is that of the uninterrupted training."""
        settings = {"EPOCHS": 3, "CHECKPOINT_FREQUENCY": 0, "NUM_WORKERS": 0, "DEVICE": "cpu", **job}
        command = [str(Path(__file__).with_name("probe_cut.py")), folder, json.dumps({k: str(v) for k, v in settings.items()}), str(cut_at)]
        found = warm.run(command, environment(None, package=TRAINERS / folder), timeout=TIMEOUT)
        self.assertEqual(found.returncode, 0, found.stderr[-3000:])
        whole, pieces, completed = json.loads(found.stdout.splitlines()[-1])
        self.assertEqual(([row["epoch"] for row in whole], completed), ([1, 2, 3], 1))
        self.assertEqual(pieces, whole)

    def needs(self, *modules: str) -> None:
        """Skip where a package of the pinned requirements is missing on a person's machine; fail in CI."""
        from importlib.util import find_spec

        if missing := [m for m in modules if find_spec(m) is None]:
            if os.environ.get("CI"):
                self.fail(f"the pinned requirements are not installed: {missing}")
            self.skipTest(f"not installed: {missing}")

    def assert_true_loss(self, val_loss: float, images: list[dict[str, Any]]) -> None:
        """A classifier's val_loss is the mean cross-entropy of its images, whatever loss the training has. Their confidences have five places."""
        true = [next(c["confidence"] for c in i["predictions"]["top5"] if c["class_id"] == i["ground_truth"]["class_id"]) for i in images]
        self.assertAlmostEqual(val_loss, sum(-math.log(max(c, 1e-5)) for c in true) / len(true), 2)

    def assert_validation(self, body: dict[str, Any], classes: int, images: int, background: bool = False) -> None:
        """A validation payload is complete, as section 4 of the contract lists it."""
        self.assertEqual(len(body["per_class_metrics"]), classes)
        for row in body["per_class_metrics"]:
            self.assertEqual(set(row), {"class_id", "class_name", "precision", "recall", "ap", "support"})
        side = classes + background
        self.assertEqual([len(row) for row in body["confusion_matrix"]], [side] * side)
        self.assertEqual(body["num_images_validated"], images)
        self.assertIsInstance(body["primary_metric_value"], float)
        self.assertEqual(body["metrics"][body["primary_metric_name"]], body["primary_metric_value"])
        self.assertGreater(body["validation_time_seconds"], 0)
        self.assertEqual(body["image_results_path"], f"validation-results/epoch-{body['epoch']}/images.json")
        for curve in body["pr_curves"].values():
            self.assertEqual(len(curve["precision"]), len(curve["recall"]))
