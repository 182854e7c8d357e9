"""The promises of trainer_sdk: standard library only, never in the way of a training loop."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import trainer_sdk
from process import TIMEOUT, TRAINERS, TrainerTest, environment, freshly_started
from relay import TOKEN, Call, Relay
from trainer_sdk import Job, JobError, Platform, callbacks, metrics
from trainer_sdk.export import ExportRequest
from trainer_sdk.inference import InferenceRequest

# A wait that a signal ends even when it comes just before.
SIGNAL_PIPE = """
import os, signal
def signals():
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    return lambda: os.read(read, 1)
"""


def job(**env: str) -> Job:
    return Job.load((), {"JOB_ID": "a/b", "TRACE_ID": "t", "EPOCHS": "4", "OUTPUT_DIR": "/tmp/out", **env})


class Reports(unittest.TestCase):
    def test_arrive_in_order_with_the_contract_headers(self) -> None:
        with Relay() as relay:
            platform = Platform(job(), relay.url, TOKEN)
            platform.heartbeat(1, {"loss": 0.5})
            platform.event("note", "hello", {"k": 1})
            platform.validation(1, {"mAP50-95": 0.25}, num_images=3)
            platform.done({"loss": 0.5})
        self.assertEqual([c.path for c in relay.calls], [f"/api/v1/jobs/a%2Fb/{kind}" for kind in ("heartbeat", "event", "validation", "done")])
        headers = relay.calls[0].headers
        self.assertEqual((headers["Authorization"], headers["X-Trace-Id"], headers["Content-Type"]), (f"Bearer {TOKEN}", "t", "application/json"))
        self.assertEqual(relay.calls[0].body["progress"], 25.0)
        self.assertRegex(relay.calls[0].body["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")
        self.assertEqual(relay.calls[2].body["primary_metric_value"], 0.25)
        self.assertEqual((relay.calls[3].body["status"], relay.calls[3].body["error_message"]), ("succeeded", None))

    def test_nan_and_infinity_become_null(self) -> None:
        import numpy as np

        with Relay() as relay:
            Platform(job(), relay.url).heartbeat(1, {"a": float("nan"), "b": float("-inf"), "c": np.float32("nan"), "d": np.float64(0.5), "e": np.array([1, 2])})
        self.assertEqual(relay.calls[0].body["metrics"], {"a": None, "b": None, "c": None, "d": 0.5, "e": [1, 2]})
        self.assertEqual(json.loads(relay.calls[0].headers["X-Non-Finite"]), ["a", "b", "c"])

    def test_a_metric_that_is_absent_is_not_marked_as_nan(self) -> None:
        with Relay() as relay:
            Platform(job(), relay.url).heartbeat(1, {"loss": 0.5, "val_loss": None})
        self.assertNotIn("X-Non-Finite", relay.calls[0].headers)

    def test_without_an_agent_they_are_printed(self) -> None:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            Platform(job()).heartbeat(2, {"loss": 1.0})
        self.assertIn('jobs/a/b/heartbeat {"epoch": 2', out.getvalue())

    def test_other_ranks_are_silent(self) -> None:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            platform = Platform(job(), rank=1)
            platform.heartbeat(1, {})
            platform.done()
            self.assertIsNone(platform.write_image_results(1, []))
        self.assertEqual(out.getvalue(), "")


class NothingReachesTheTrainingLoop(unittest.TestCase):
    def quiet(self) -> contextlib.redirect_stderr[io.StringIO]:
        return contextlib.redirect_stderr(io.StringIO())

    def test_a_dead_relay(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
            with self.quiet() as err:
                platform = Platform(job(), f"http://127.0.0.1:{taken.getsockname()[1]}")
                platform.heartbeat(1, {})
                self.assertTrue(platform.validation(1, {"mAP50-95": 0.5}))
                self.assertFalse(platform.validation(2, {"mAP50-95": 0.4}))
        self.assertIn("cannot report", err.getvalue())

    def test_a_relay_that_never_answers(self) -> None:
        with socket.socket() as silent, mock.patch.object(callbacks, "POST_TIMEOUT_SECONDS", 0.05), self.quiet() as err:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            Platform(job(), f"http://127.0.0.1:{silent.getsockname()[1]}")._report("jobs/{id}/heartbeat", {}, 0.05)
        self.assertIn("timed out", err.getvalue())

    def test_errors_and_garbage(self) -> None:
        for reply in ((500, b"no"), (200, b"<html>"), (200, b"[1]"), (200, b"")):
            with self.subTest(reply=reply), Relay(lambda _call, reply=reply: reply) as relay, self.quiet():
                self.assertTrue(Platform(job(), relay.url).validation(1, {"mAP50-95": 0.1}))

    def test_values_that_are_no_json(self) -> None:
        loop: dict[str, object] = {}
        loop["self"] = loop
        with Relay() as relay, self.quiet() as err:
            platform = Platform(job(), relay.url)
            platform.event("odd", "values", {"path": Path("/x"), "set": {1}, "object": object(), 3: "key"})
            platform.event("endless", "recursion", loop)
        self.assertEqual(relay.calls[0].body["data"]["path"], "/x")
        self.assertEqual(len(relay.calls), 1)
        self.assertIn("cannot report", err.getvalue())

    def test_an_output_folder_that_cannot_be_written(self) -> None:
        with tempfile.NamedTemporaryFile() as file, self.quiet() as err:
            self.assertIsNone(Platform(job(OUTPUT_DIR=file.name)).write_image_results(1, []))
        self.assertIn("cannot write", err.getvalue())

    def test_results_of_images_that_are_no_json(self) -> None:
        loop: dict[str, object] = {}
        loop["self"] = loop
        with tempfile.TemporaryDirectory() as folder, self.quiet() as err:
            self.assertIsNone(Platform(job(OUTPUT_DIR=folder)).write_image_results(1, [loop]))
        self.assertIn("cannot write", err.getvalue())

    def test_a_file_name_that_is_no_utf8(self) -> None:
        name = os.fsdecode(b"\xff.jpg")
        with Relay() as relay, tempfile.TemporaryDirectory() as folder:
            platform = Platform(job(OUTPUT_DIR=folder), relay.url)
            written = platform.write_image_results(1, [{"file_name": name}])
            platform.event("note", name, {name: 1})
            self.assertEqual(json.loads(Path(folder, str(written)).read_bytes())["images"], [{"file_name": "?.jpg"}])
        self.assertEqual((relay.calls[0].body["message"], relay.calls[0].body["data"]), ("?.jpg", {"?.jpg": 1}))


class IsBest(unittest.TestCase):
    def test_the_reply_decides(self) -> None:
        def answer(call: Call) -> tuple[int, bytes]:
            return 200, json.dumps({"status": "ok", "is_best": call.body["epoch"] == 2}).encode()

        with Relay(answer) as relay:
            platform = Platform(job(), relay.url)
            self.assertEqual([platform.validation(e, {"mAP50-95": 0.5}) for e in (1, 2, 3)], [False, True, False])

    def test_else_the_own_record(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            platform = Platform(job(PRIMARY_METRIC="val_loss", PRIMARY_METRIC_MODE="min"))
            values = [3.0, float("nan"), 2.0, 2.0, 1.0]
            self.assertEqual([platform.validation(i, {"val_loss": v}) for i, v in enumerate(values)], [True, False, True, False, True])


class TheJob(unittest.TestCase):
    def test_the_argument_of_the_platforms_template_is_taken(self) -> None:
        """It starts every script with `--log-level INFO`."""
        argv = ["--log-level", "INFO"]
        self.assertEqual(Job.load(argv, {"EPOCHS": "2"}).epochs, 2)
        with tempfile.NamedTemporaryFile() as checkpoint:
            job = Job.load((), {})
            InferenceRequest.load(job, argv, {"CHECKPOINT_FILE": checkpoint.name, "IMAGE_FILES": json.dumps([checkpoint.name])})
            asked = ExportRequest.load(job, argv, ["onnx"], {"CHECKPOINT_FILE": checkpoint.name, "EXPORT_FORMAT": "onnx"})
        self.assertEqual((asked.preprocessing, asked.postprocessing, asked.validate, asked.optimization_level), (True, True, False, 0))  # the agent's defaults

    def test_from_the_agents_environment(self) -> None:
        settings = {"epochs": 4, "batch_size": 2, "primary_metric": "x", "task_type": "t", "config": {"mosaic": 0.5}}
        found = job(CONFIG_JSON=json.dumps(settings), BATCH_SIZE="8", IMAGE_SIZE="96", DATASET_DIR="/d", PRETRAINED_WEIGHTS="/w.pt", RESUME_CHECKPOINT="")
        self.assertEqual((found.epochs, found.batch_size, found.image_size, found.primary_metric), (4, 8, 96, "x"))
        self.assertEqual((found.dataset_dir, found.pretrained_weights, found.resume_checkpoint), (Path("/d"), Path("/w.pt"), None))
        self.assertEqual(found.options, {"mosaic": 0.5})

    def test_a_model_that_cannot_be_trained_is_refused_with_the_reason(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "capabilities.json")
            job(MODEL_NAME="a").check_model(path)
            models = [{"model_name": "a", "supported": True, "description": ""}, {"model_name": "b", "supported": False, "description": "Not supported: it has no training"}]
            path.write_text(json.dumps({"models": models}))
            job(MODEL_NAME="a").check_model(path)
            job(MODEL_NAME="of somebody's own").check_model(path)
            with self.assertRaisesRegex(JobError, "MODEL_NAME 'b' cannot be trained. Not supported: it has no training"):
                job(MODEL_NAME="b").check_model(path)

    def test_config_json_may_be_given_as_the_agent_writes_it(self) -> None:
        for text in ('{"config": {"mosaic": 0.5}}', '{"epochs": 4, "config": {"config": {"mosaic": 0.5}}}', '{"mosaic": 0.5}'):
            self.assertEqual(job(CONFIG_JSON=text).options, {"mosaic": 0.5}, text)

    def test_from_the_command_line(self) -> None:
        arguments = ["--job-id", "j", "--model-name", "m", "--dataset-s3-uri", "file:///a%20b", "--callback-url", "http://x/", "--config", '{"epochs": 7, "batch": 2, "mosaic": 0}']
        found = Job.load(arguments, {"EPOCHS": "3"})
        self.assertEqual((found.id, found.model, found.dataset_dir, found.epochs, found.batch_size, found.options), ("j", "m", Path("/a b"), 7, 2, {"mosaic": 0}))

    def test_lists_that_are_too_long_for_the_environment_come_as_files(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            names = [f"class {i}" for i in range(8000)]
            for name, value in (("CLASS_NAMES", names), ("CONFIG_JSON", {"config": {"mosaic": 0.5}})):
                Path(folder, name).write_text(json.dumps(value))
            found = job(CLASS_NAMES_FILE=f"{folder}/CLASS_NAMES", CONFIG_JSON_FILE=f"{folder}/CONFIG_JSON", DATASET_DIR=folder)
            self.assertEqual((len(found.classes()), found.classes()[7999].name, found.options), (8000, "class 7999", {"mosaic": 0.5}))

    def test_what_is_refused_says_what_to_do(self) -> None:
        cases = [
            ({"CONFIG_JSON": "{"}, (), "CONFIG_JSON is not JSON"),
            ({"CONFIG_JSON": "[]"}, (), "is not a JSON object"),
            ({"EPOCHS": "many"}, (), "EPOCHS is 'many', which is not a valid int"),
            ({}, ("--dataset-s3-uri", "s3://b/k"), "run under trainer-agent"),
        ]
        for env, arguments, message in cases:
            with self.subTest(message=message), self.assertRaisesRegex(JobError, re.escape(message)):
                Job.load(arguments, env)

    def test_classes_must_be_in_order(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "classes.json")
            path.write_text(json.dumps({"classes": [{"index": 0, "name": "a", "folder": "f", "id": 7}, {"index": 2, "name": "b", "id": 8}]}))
            with self.assertRaisesRegex(JobError, "in order"):
                job(DATASET_DIR=folder).classes()

    def test_a_datasets_own_classes_json_is_not_the_platforms(self) -> None:
        """An inference job gets the dataset as it is; the classes are those of the checkpoint's training."""
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = Path(folder, "trained.json"), Path(folder, "classes.json")
            ours.write_text('{"classes": [{"index": 0, "name": "dog", "id": 7}]}')
            for text in ('["cat"]', '{"classes": ["cat"]}', '{"classes": [{"index": 0, "name": "cat"}]}', "cat", ""):
                theirs.write_text(text)
                self.assertEqual([c.name for c in job(DATASET_DIR=folder, CLASSES_FILE=str(ours)).classes()], ["dog"])
            theirs.write_text('{"task_type": "object_detection", "format": "yolo", "classes": [{"index": 0, "name": "cat"}]}')
            self.assertEqual([c.name for c in job(DATASET_DIR=folder, CLASSES_FILE=str(ours)).classes()], ["cat"])

    def test_options_are_checked_against_the_schema(self) -> None:
        schema = {"fields": [
            {"name": "rate", "type": "float", "default": 0.1, "min": 0, "max": 1},
            {"name": "kind", "type": "select", "default": "a", "options": ["a", "b"]},
            {"name": "on", "type": "bool", "default": False},
        ]}
        self.assertEqual(trainer_sdk.check_options({"rate": 1, "free": "x"}, schema, also=["free"]), {"rate": 1, "kind": "a", "on": False, "free": "x"})
        for options, message in [
            ({"rat": 1}, "unknown option 'rat' (did you mean 'rate'?). Valid options: kind, on, rate"),
            ({"rate": 2}, "option 'rate' is 2, expected a value from 0 to 1"),
            ({"rate": True}, "expected a value of type float"),
            ({"kind": "c"}, "expected one of a, b"),
            ({"on": 1}, "expected a value of type bool"),
        ]:
            with self.subTest(options=options), self.assertRaisesRegex(JobError, re.escape(message)):
                trainer_sdk.check_options(options, schema)

    def test_every_mistake_in_the_options_is_told_at_once(self) -> None:
        schema = {"fields": [{"name": "rate", "type": "float", "default": 0.1, "min": 0, "max": 1}]}
        asked = {"rat": 1, "imgsz": 32, "epochs": 5, "conf": 0.5, "rate": 2}
        options = job(CONFIG_JSON=json.dumps({"config": asked})).options
        with self.assertRaises(JobError) as told:
            trainer_sdk.check_options(options, schema, refused={"conf": "it measures"})
        self.assertEqual(str(told.exception), "unknown option 'rat' (did you mean 'rate'?); option 'imgsz' is a setting of the job: set IMAGE_SIZE instead; "
                         "option 'epochs' is a setting of the job: set EPOCHS instead; option 'conf' is not offered: it measures; option 'rate' is 2, expected a value from 0 to 1. Valid options: rate")


class TheEnd(TrainerTest):
    """run() in a process of its own, since it ends the process."""

    def script(self, body: str) -> str:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name, "train.py")
        path.write_text(f"import trainer_sdk\n{body}\n")
        return str(path)

    def test_success_is_0(self) -> None:
        self.assertEqual(self.succeed(self.script("trainer_sdk.run(lambda job, platform: platform.done())")).done["status"], "succeeded")

    def test_an_exception_is_1_and_a_failed_done(self) -> None:
        run = self.fail_with("ZeroDivisionError", self.script("trainer_sdk.run(lambda job, platform: 1 / 0)"))
        self.assertEqual((run.done["status"], run.done["error_message"]), ("failed", "ZeroDivisionError: division by zero"))

    def test_a_stop_lets_the_step_finish_and_is_143(self) -> None:
        body = SIGNAL_PIPE + (
            "def train(job, platform):\n    wait = signals()\n    platform.heartbeat(1, {})\n    wait()\n"
            "    assert platform.stop_requested\n    platform.event('saved', 'the step was finished')\ntrainer_sdk.run(train)"
        )
        for asked in (signal.SIGTERM, signal.SIGINT):  # the agent passes Ctrl-C on as it came
            with self.subTest(asked.name), Relay() as relay, freshly_started(self.script(body), relay) as process:
                relay.wait_for("heartbeat", 1, lambda process=process: process.poll() is None)
                process.send_signal(asked)
                process.communicate(timeout=TIMEOUT)
                self.assertEqual(process.returncode, 143)
                self.assertEqual([c.kind for c in relay.calls], ["heartbeat", "event"])

    def test_a_worker_outlives_the_groups_signal(self) -> None:
        body = SIGNAL_PIPE + (
            "def train(job, platform):\n    wait = signals()\n    read, write = os.pipe()\n    child = os.fork()\n"
            "    if child == 0:\n        wait = signals()\n        platform.heartbeat(1, {})\n        wait()\n        os.write(write, b'served')\n        os._exit(0)\n"
            "    wait()\n    platform.event('worker', os.read(read, 6).decode())\ntrainer_sdk.run(train)"
        )
        for asked in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(asked.name), Relay() as relay, freshly_started(self.script(body), relay) as process:
                relay.wait_for("heartbeat", 1, lambda process=process: process.poll() is None)
                os.killpg(process.pid, asked)
                process.communicate(timeout=TIMEOUT)
                self.assertEqual(relay.of("event")[0]["message"], "served")

    def test_sigusr1_prints_the_stacks_and_training_goes_on(self) -> None:
        body = "import time\ndef wait_for_the_gradient(platform):\n    platform.heartbeat(1, {})\n    import signal; signal.sigwait([signal.SIGINT])\ntrainer_sdk.run(lambda job, platform: wait_for_the_gradient(platform))"
        body = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n" + body
        with Relay() as relay, freshly_started(self.script(body), relay) as process:
            relay.wait_for("heartbeat", 1, lambda: process.poll() is None)
            process.send_signal(signal.SIGUSR1)
            seen: list[str] = []
            while "wait_for_the_gradient" not in "".join(seen):
                line = process.stdout.readline()
                self.assertTrue(line, seen)
                seen.append(line)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0, seen)

    def test_several_processes_are_started_by_torchrun(self) -> None:
        with mock.patch("os.execv") as execv, mock.patch.object(signal, "signal"):
            trainer_sdk.launch_processes(1, {})
            trainer_sdk.launch_processes(4, {"RANK": "0"})
            execv.assert_not_called()
            trainer_sdk.launch_processes(4, {})
            self.assertEqual(execv.call_args.args[1][1:6], ["-m", "torch.distributed.run", "--nproc-per-node", "4", "--standalone"])
            trainer_sdk.launch_processes(1, {"PET_NNODES": "2"})
            self.assertNotIn("--standalone", execv.call_args.args[1])

    def test_the_example_of_the_readme_runs(self) -> None:
        example = re.search(r"```python\n(.*?)```", (TRAINERS / "sdk" / "README.md").read_text(), re.S)[1]
        self.assertLessEqual(len(example.splitlines()), 22)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "out", "checkpoints").mkdir(parents=True)
            Path(folder, "train.py").write_text(example)
            run = self.succeed(str(Path(folder, "train.py")), EPOCHS=3, LEARNING_RATE=0.1, TASK_TYPE="image_classification", OUTPUT_DIR=Path(folder, "out"))
            self.assertEqual(run.epochs(), [1, 2, 3])
            self.assertEqual(run.done["checkpoint_path"], "checkpoints/best.ckpt")
            self.assertTrue(Path(folder, "out", "checkpoints", "best.ckpt").is_file())

    def test_the_example_runs_alone(self) -> None:
        example = re.search(r"```python\n(.*?)```", (TRAINERS / "sdk" / "README.md").read_text(), re.S)[1]
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "train.py").write_text(example)
            done = subprocess.run([sys.executable, "train.py"], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT,
                                  env=environment(None) | {"EPOCHS": "2", "TASK_TYPE": "image_classification"})
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertTrue(Path(folder, "runs", "checkpoints", "best.ckpt").is_file())

    def test_logged_steps_are_gathered_and_an_epoch_brings_the_rest(self) -> None:
        now = mock.patch.object(metrics.time, "monotonic")
        with Relay() as relay, now as clock:
            log, platform = metrics._Log(), Platform(job(PRIMARY_METRIC="accuracy"), relay.url, TOKEN)
            for clock.return_value, values in ((100, {"loss": 3}), (101, {"loss": 2, "note": "text"}), (109.5, {"lr": 0.1}), (111, {"loss": 1})):
                self.assertFalse(log.add(platform, values, None))
            clock.return_value = 112
            self.assertFalse(log.add(platform, {"grad": 5}, None))
            self.assertTrue(log.add(platform, {"val_accuracy": 0.5, "epoch": 1}, None))
            self.assertFalse(log.add(platform, {"val_accuracy": 0.4}, 2))
        sent = [(body["epoch"], body["metrics"]) for body in relay.of("heartbeat")]
        self.assertEqual(sent, [(0, {"loss": 3}), (0, {"loss": 1, "lr": 0.1}), (1, {"grad": 5, "val_accuracy": 0.5}), (2, {"val_accuracy": 0.4})])
        self.assertEqual([body["primary_metric_value"] for body in relay.of("validation")], [0.5, 0.4])

    def test_only_the_standard_library_is_imported(self) -> None:
        probe = "import sys, trainer_sdk, trainer_sdk.inference, trainer_sdk.export, trainer_sdk.package; print([m for m in sys.modules if 'site-packages' in str(getattr(sys.modules[m], '__file__', ''))])"
        found = subprocess.run([sys.executable, "-S", "-c", probe], cwd=TRAINERS / "sdk", capture_output=True, text=True, check=True, env=environment(None))
        self.assertEqual(found.stdout.strip(), "[]")


if __name__ == "__main__":
    unittest.main()
