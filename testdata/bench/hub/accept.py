#!/usr/bin/env python3
"""Time a hub from the last byte of an upload to its 202, with packages in its folder and in a bucket.

    python3 testdata/bench/hub/accept.py --bin bin --mib 200 --times 5

The package is random bytes in a zip; it is cancelled as soon as it was accepted. The bucket is that of trainer-sandbox, a real S3
server on this machine. Prints the rows of a markdown table.
"""

import argparse
import http.client
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from bench import Service

BOUNDARY = "bench"
CHUNK = 1 << 20


def package(mib, number):
    """A package of so many MiB, with bytes of its own."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        z.writestr("capabilities.json", json.dumps({"framework": "bench-accept", "version": f"0.0.{number}"}))
        z.writestr("weights.bin", os.urandom(mib << 20))
    return out.getvalue()


def upload(host, token, zipped):
    """Sends a package; returns its id, and the seconds from the last byte to the answer."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="p.zip"\r\nContent-Type: application/zip\r\n\r\n'.encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    c = http.client.HTTPConnection(host, timeout=600)
    c.putrequest("POST", "/api/v1/trainers/upload?dry_run=true")
    for name, value in {"Authorization": f"Bearer {token}", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": len(head) + len(zipped) + len(tail)}.items():
        c.putheader(name, str(value))
    c.endheaders(head)
    for at in range(0, len(zipped), CHUNK):
        c.send(zipped[at : at + CHUNK])
    c.send(tail)
    sent = time.monotonic()
    answer = c.getresponse()
    seconds, told = time.monotonic() - sent, json.load(answer)
    if answer.status != 202:
        sys.exit(f"{answer.status}: {told}")
    return told["validation_job_id"], seconds


def cancel(host, token, job):
    c = http.client.HTTPConnection(host, timeout=60)
    c.request("POST", f"/api/v1/trainers/validation/{job}/cancel", headers={"Authorization": f"Bearer {token}"})
    c.getresponse().read()


def measure(args, work, bucket):
    env = {**os.environ, "TRAINER_HUB_DATA": str(work / "data"), "HOME": os.environ.get("HOME", "/")}
    platform = Service([args.bin / "trainer-sandbox", "serve", "--json", "--s3-addr", "127.0.0.1:0", "--backend-addr", "127.0.0.1:0", "--data-dir", work / "sandbox"], work, env, "BACKEND")
    job_env = json.loads(platform.lines[-1])
    packages = ["--packages", "s3://" + job_env["BUCKET_NAME"]] if bucket else []
    if bucket:
        env |= {"AWS_ENDPOINT_URL": job_env["S3_ENDPOINT"], **{k: job_env[k] for k in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}}
    hub = Service([args.bin / "trainer-hub", "serve", "--addr", "127.0.0.1:0", "--python", args.python, *packages, "--allow-unscanned", "malware,dependencies"], work, env, "Isolation:")
    host = hub.value("Hub").removeprefix("http://")
    token = subprocess.run([args.bin / "trainer-hub", "token", "bench", "--operator"], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    seconds = []
    for number in range(args.times):
        job, took = upload(host, token, package(args.mib, number))
        cancel(host, token, job)
        seconds.append(took)
    hub.stop()
    platform.stop()
    return sorted(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=Path("bin"), help="folder of the built programs")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--mib", type=int, default=200)
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    args.bin = args.bin.absolute()
    print("| packages | MiB | fastest | median | slowest | load |\n|---|---|---|---|---|---|")
    for bucket in (False, True):
        with tempfile.TemporaryDirectory(prefix="bench-accept-", dir=os.environ.get("BENCH_DIR")) as work:
            s = measure(args, Path(work), bucket)
        print(f"| {'a bucket' if bucket else 'the folder'} | {args.mib} | {s[0]:.2f} s | {s[len(s) // 2]:.2f} s | {s[-1]:.2f} s | {os.getloadavg()[0]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
