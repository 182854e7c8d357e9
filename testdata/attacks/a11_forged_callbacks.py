"""Callbacks in the agent's name, of another job, or beyond what can be."""

import json
import os
import urllib.error
import urllib.request

JOB = os.environ["JOB_ID"]


def attack() -> object:
    for path, body in {
        f"/api/v1/jobs/{JOB}/event": {"event_type": "checkpoint_saved", "message": "forged", "data": {}},
        "/api/v1/jobs/another/heartbeat": {"epoch": 1, "progress": 1.0, "metrics": {}},
        f"/api/v1/jobs/{JOB}/heartbeat": {"epoch": 10**9, "progress": 1.0, "metrics": {}},
        f"/api/v1/inference/{JOB}/progress": {"processed_images": 1, "total_images": 1, "progress_percent": 1.0, "avg_inference_time_ms": 1.0},
    }.items():
        body["timestamp"] = "2026-01-01T00:00:00Z"
        request = urllib.request.Request(
            os.environ["BACKEND_BASE_URL"] + path, json.dumps(body).encode(),
            {"Authorization": f"Bearer {os.environ['CALLBACK_TOKEN']}", "Content-Type": "application/json"}, method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return path, response.status
        except urllib.error.HTTPError as refusal:
            if refusal.code >= 500:
                return path, refusal.code
    return None
