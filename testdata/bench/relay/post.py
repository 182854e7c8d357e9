"""Posts heartbeats as the platform's callback client does and times each one.

Takes a JSON object on standard input: targets {name: [url, token]}, rounds and
block. A round posts a block of heartbeats to every target in turn, so that what
else the machine does meets all of them. The first round is not counted. Prints
{name: {times: in milliseconds, accepted: how many}}.
"""

import json
import sys
import time
from datetime import datetime

import requests

plan = json.load(sys.stdin)
results = {name: {"times": [], "accepted": 0} for name in plan["targets"]}
for turn in range(plan["rounds"] + 1):
    for name, (url, token) in plan["targets"].items():
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        for n in range(plan["block"]):
            metrics = {f"train/loss_{i}": 0.1234 * i for i in range(20)}
            payload = {"epoch": turn * plan["block"] + n, "progress": 1.0, "metrics": metrics, "timestamp": datetime.utcnow().isoformat() + "Z"}
            start = time.perf_counter()
            try:
                ok = requests.post(f"{url}/api/v1/jobs/job-1/heartbeat", json=payload, headers=headers, timeout=10).ok
            except requests.RequestException:
                ok = False
            if turn > 0:
                results[name]["times"].append((time.perf_counter() - start) * 1000)
                results[name]["accepted"] += ok
print(json.dumps(results))
