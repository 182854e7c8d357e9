"""Posts heartbeats as the platform's callback client does and times each one.

Prints one JSON object: the times in milliseconds and how many were accepted.
"""

import json
import os
import sys
import time
from datetime import datetime

import requests

url = f"{os.environ['BACKEND_BASE_URL']}/api/v1/jobs/{os.environ['JOB_ID']}/heartbeat"
headers = {"Authorization": f"Bearer {os.environ['CALLBACK_TOKEN']}", "Content-Type": "application/json"}
count = int(sys.argv[1])
warm_up = 5 if count >= 10 else 0
times, accepted = [], 0
for epoch in range(warm_up + count):
    metrics = {f"train/loss_{i}": 0.1234 * i for i in range(20)}
    payload = {"epoch": epoch, "progress": 1.0, "metrics": metrics, "timestamp": datetime.utcnow().isoformat() + "Z"}
    start = time.perf_counter()
    try:
        ok = requests.post(url, json=payload, headers=headers, timeout=10).ok
    except requests.RequestException:
        ok = False
    if epoch >= warm_up:
        times.append((time.perf_counter() - start) * 1000)
        accepted += ok
print(json.dumps({"times": times, "accepted": accepted}))
