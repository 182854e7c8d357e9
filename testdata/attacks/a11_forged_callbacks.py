"""Callbacks in the agent's name, of another job, or beyond what can be."""

import json
import os
import urllib.error
import urllib.request

from boundary import Untried

JOB = os.environ["JOB_ID"]
UNTOLD = (401, 405, 408, 429)  # nobody looked at what it says


def answer(path: str, body: dict[str, object]) -> int:
    request = urllib.request.Request(
        os.environ["BACKEND_BASE_URL"] + path,
        json.dumps({**body, "timestamp": "2026-01-01T00:00:00Z"}).encode(),
        {"Authorization": f"Bearer {os.environ['CALLBACK_TOKEN']}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def attack() -> object:
    if (true := answer(f"/api/v1/jobs/{JOB}/heartbeat", {"epoch": 1, "progress": 1.0, "metrics": {}})) >= 300:
        raise Untried(f"a true callback gets {true} too")
    for path, body in {
        f"/api/v1/jobs/{JOB}/event": {"event_type": "checkpoint_saved", "message": "forged", "data": {}},
        "/api/v1/jobs/another/heartbeat": {"epoch": 1, "progress": 1.0, "metrics": {}},
        f"/api/v1/jobs/{JOB}/heartbeat": {"epoch": 10**9, "progress": 1.0, "metrics": {}},
        f"/api/v1/inference/{JOB}/progress": {"processed_images": 1, "total_images": 1, "progress_percent": 1.0, "avg_inference_time_ms": 1.0},
    }.items():
        got = answer(path, body)
        if got in UNTOLD:
            raise Untried(f"refused by chance: {path}: {got}")
        if got < 400 or got >= 500:
            return path, got
    return None
