"""Reports to the platform: heartbeats, events, validations and the final callback, through the agent's relay."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from .job import Job, parse_flags
from .jsonfile import clean, non_finite, now, number, write_json

POST_TIMEOUT_SECONDS = 5.0
MAX_MARKED = 100  # metrics named as NaN; a header has its bounds
VALIDATION_TIMEOUT_SECONDS = 15.0  # the relay waits a moment for the backend's is_best


class Platform:
    """Reports to the agent's relay. Every method returns; none of them raises.

    Only rank 0 of a multi-process training speaks; the others stay silent. Paths in payloads are relative
    to OUTPUT_DIR: the agent replaces them by the address of the object it uploads.
    """

    def __init__(self, job: Job, base_url: str = "", token: str = "", rank: int = 0) -> None:
        self.job = job
        self.stop_requested = False  # set by SIGTERM: finish the step, save, return
        self.finished = False  # a final callback was reported
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._silent = rank != 0
        self._best: float | None = None
        # A proxy in the environment is for the internet, never for the loopback relay.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @classmethod
    def connect(cls, job: Job, argv: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Platform:
        env = os.environ if env is None else env
        url = parse_flags(argv).callback_url or env.get("BACKEND_BASE_URL", "")
        return cls(job, url, env.get("CALLBACK_TOKEN", ""), int(env.get("RANK") or 0))

    def heartbeat(self, epoch: int, metrics: Mapping[str, Any], progress: float | None = None) -> None:
        """Report a completed epoch (1-based) and its metrics."""
        percent = 100 * epoch / max(self.job.epochs, 1) if progress is None else progress
        self._report("jobs/{id}/heartbeat", {"epoch": epoch, "progress": min(max(percent, 0.0), 100.0), "metrics": metrics})

    def event(self, event_type: str, message: str, data: Mapping[str, Any] | None = None) -> None:
        self._report("jobs/{id}/event", {"event_type": event_type, "message": message, "data": data or {}})

    def validation(
        self,
        epoch: int,
        metrics: Mapping[str, Any],
        *,
        per_class_metrics: Sequence[Mapping[str, Any]] | None = None,
        confusion_matrix: Sequence[Sequence[int]] | None = None,
        pr_curves: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
        image_results_path: str | None = None,
        num_images: int = 0,
        seconds: float | None = None,
    ) -> bool:
        """Report a validation run and return whether it is the best so far by the primary metric."""
        value = number(metrics.get(self.job.primary_metric))
        reply = self._report(
            "jobs/{id}/validation",
            {
                "epoch": epoch, "task_type": self.job.task, "primary_metric_name": self.job.primary_metric,
                "primary_metric_value": value, "metrics": metrics, "per_class_metrics": per_class_metrics,
                "confusion_matrix": confusion_matrix, "pr_curves": pr_curves, "image_results_path": image_results_path,
                "num_images_validated": num_images, "validation_time_seconds": seconds,
            },
            VALIDATION_TIMEOUT_SECONDS,
        )
        own = self._note_best(value)
        is_best = reply.get("is_best")
        return is_best if isinstance(is_best, bool) else own

    def done(self, final_metrics: Mapping[str, Any] | None = None, *, checkpoint_path: str | None = None, error: str | None = None) -> None:
        """End a training job: succeeded, or failed when there is an error."""
        self._final("jobs/{id}/done", error, {"final_metrics": final_metrics or {}, "checkpoint_path": checkpoint_path})

    def inference_progress(self, processed: int, total: int, average_ms: float) -> None:
        percent = 100 * processed / max(total, 1)
        self._report("inference/{id}/progress", {"processed_images": processed, "total_images": total, "progress_percent": percent, "avg_inference_time_ms": average_ms})

    def test_run_done(self, results: Mapping[str, Any] | None = None, *, error: str | None = None) -> None:
        """End a test run; results holds the other fields of the callback (overall_metrics, results_path, …)."""
        empty: dict[str, Any] = {"overall_metrics": {}, "per_class_metrics": None, "confusion_matrix": None, "pr_curves": None, "results_path": None, "visualizations_path": None, "xai_results_path": None}
        self._final("test-runs/{id}/done", error, {**empty, **(results or {})})

    def inference_done(self, results: Mapping[str, Any] | None = None, *, error: str | None = None) -> None:
        empty = {"results_path": None, "visualizations_path": None, "xai_results_path": None}
        self._final("inference/jobs/{id}/done", error, {**empty, **(results or {})})

    def export_progress(self, percent: float, stage: str, message: str) -> None:
        self._report("export/jobs/{id}/progress", {"progress_percent": percent, "stage": stage, "message": message})

    def export_done(self, results: Mapping[str, Any] | None = None, *, error: str | None = None) -> None:
        empty = {"export_path": None, "metadata_path": None, "package_path": None, "model_info": None, "validation_metrics": None}
        self._final("export/jobs/{id}/done", error, {**empty, **(results or {})})

    def write_image_results(self, epoch: int, images: Sequence[Mapping[str, Any]]) -> str | None:
        """Write the per-image results of a validation; the path, relative to OUTPUT_DIR, belongs in `validation`."""
        name = f"validation-results/epoch-{epoch}/images.json"
        if self._silent:
            return None
        try:
            write_json(self.job.output_dir / name, {"epoch": epoch, "task_type": self.job.task, "images": images})
        except Exception as error:
            _warn(f"cannot write {name}: {error}")
            return None
        return name

    def _note_best(self, value: float | None) -> bool:
        if value is None:
            return False
        sign = -1 if self.job.primary_metric_mode == "min" else 1
        if self._best is not None and sign * value <= sign * self._best:
            return False
        self._best = value
        return True

    def _final(self, path: str, error: str | None, body: dict[str, Any]) -> None:
        self.finished = True
        self._report(path, {"status": "failed" if error else "succeeded", **body, "error_message": error or None})

    def _report(self, path: str, body: dict[str, Any], timeout: float = POST_TIMEOUT_SECONDS) -> dict[str, Any]:
        if self._silent:
            return {}
        try:
            text = json.dumps(clean({**body, "timestamp": now()}), ensure_ascii=False, allow_nan=False)
            if not self._base_url:
                print(f"[trainer] {path.replace('{id}', self.job.id)} {text}", flush=True)
                return {}
            return self._post(path, text, timeout, non_finite(body.get("metrics")))
        except Exception as error:  # training is sacred: a report that fails is told and forgotten
            _warn(f"cannot report {path}: {error}")
            return {}

    def _post(self, path: str, text: str, timeout: float, broken: list[str]) -> dict[str, Any]:
        url = f"{self._base_url}/api/v1/{path.replace('{id}', urllib.parse.quote(self.job.id, safe=''))}"
        headers = {"Authorization": f"Bearer {self._token}", "X-Trace-ID": self.job.trace_id, "Content-Type": "application/json"}
        if broken:  # nulls that were NaN, not absent: for the agent, which would else not know
            headers["X-Non-Finite"] = json.dumps(broken[:MAX_MARKED])
        request = urllib.request.Request(url, text.encode(), headers, method="POST")
        with self._opener.open(request, timeout=timeout) as response:
            reply = json.loads(response.read(1 << 20) or b"{}")
        return reply if isinstance(reply, dict) else {}


def _warn(message: str) -> None:
    print(f"[trainer] warning: {message}", file=sys.stderr, flush=True)
