"""One job on a laptop's platform whose training sleeps: what the agent itself uses."""
import contextlib
import io
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import zipfile
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[3]


def picture(side=32):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + b"\x80\x40\x20" * side) * side
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def dataset(images=8):
    """A detection dataset in Platform Format, zipped."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(images):
            archive.writestr(f"images/{i}.png", picture())
        archive.writestr("annotations.json", json.dumps({
            "format_version": "1.0", "dataset_id": "tiny", "classes": [{"id": 0, "name": "a"}],
            "images": [{"id": i, "file_name": f"{i}.png", "width": 32, "height": 32, "annotations": [{"class_id": 0, "bbox": [8, 8, 16, 16]}]}
                       for i in range(images)]}))
    return out.getvalue()


@contextlib.contextmanager
def platform(sandbox, folder):
    """The store and the backend; yields the environment of a job on them."""
    served = subprocess.Popen([sandbox, "serve", "--s3-addr", "127.0.0.1:0", "--backend-addr", "127.0.0.1:0",
                               "--data-dir", folder / "platform", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        env = json.loads(served.stdout.readline())
        (folder / "tiny.zip").write_bytes(dataset())
        subprocess.run(["go", "run", "./testdata/bench/drive", "put", "--endpoint", env["S3_ENDPOINT"], "--file", folder / "tiny.zip",
                        "--key", "datasets/tiny.zip"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **env})
        yield env
    finally:
        served.terminate()
        served.wait()


@contextlib.contextmanager
def sleeping(agent, sandbox):
    """The pid of an agent whose training sleeps, with everything around it at work."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with platform(sandbox, folder) as env:
            job = {"PATH": os.environ["PATH"], **env, "JOB_ID": "bench", "TASK_TYPE": "object_detection", "FRAMEWORK": "ultralytics",
                   "MODEL_NAME": "yolo11n", "DATASET_ID": "tiny", "EPOCHS": "3", "DEVICE": "cpu", "WORKSPACE_DIR": str(folder / "workspace")}
            running = subprocess.Popen([agent, "run", "--", "sh", "-c", "echo ready; exec sleep 1000"], env=job,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            try:
                running.stdout.readline()
                yield running.pid
            finally:
                running.terminate()
                running.wait()
