"""A trainer that posts as the platform's own callback client does."""

import json
import os
import urllib.error
import urllib.request
from datetime import datetime


class CallbackClient:
    def __init__(self, backend_url: str, job_id: str, callback_token: str) -> None:
        self.base = f"{backend_url.rstrip('/')}/api/v1/jobs/{job_id}"
        self.headers = {
            "Authorization": f"Bearer {callback_token}",
            "X-Trace-ID": "from-the-child",
            "Content-Type": "application/json",
        }

    def post(self, name: str, payload: dict) -> dict:
        payload["timestamp"] = datetime.utcnow().isoformat() + "Z"
        request = urllib.request.Request(f"{self.base}/{name}", json.dumps(payload).encode(), self.headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


client = CallbackClient(os.environ["BACKEND_BASE_URL"], os.environ["JOB_ID"], os.environ["CALLBACK_TOKEN"])
client.post("heartbeat", {"epoch": 1, "progress": 50.0, "metrics": {"loss": float("nan"), "é": 1e-07}})
client.post("event", {"event_type": "mine", "message": "안녕", "data": {"a": [float("inf")]}})
validation = {
    "epoch": 1, "task_type": "object_detection", "primary_metric_name": "mAP50-95", "primary_metric_value": 0.5,
    "metrics": {"mAP50-95": 0.5}, "per_class_metrics": None, "confusion_matrix": [[1, 2], [3, 4]], "pr_curves": None,
    "image_results_path": None, "num_images_validated": 4, "validation_time_seconds": None,
}  # fmt: skip
print(client.post("validation", validation)["is_best"])
done = {"status": "succeeded", "final_metrics": {}, "checkpoint_path": None, "error_message": None}
print(client.post("done", done)["status"])
try:
    client.post("heartbeat", {"epoch": "one"})
except urllib.error.HTTPError as e:
    print(e.code, json.load(e)["field"])
