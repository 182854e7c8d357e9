"""Fetches what compiles and runs the wrappers of exported models, below .tools/wrappers: python wrapper_tools.py DIR. Every file is pinned by its sum.

Runtimes for Python in an environment of their own, ONNX Runtime's headers, TensorFlow Lite's library and headers, and Kotlin's
compiler with the runtimes of a JVM. Done before: returns at once. Where something cannot be fetched, the tests that need it are skipped by name; in CI
that is an error. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

MAVEN = "https://repo1.maven.org/maven2"
PYTHON = ["onnxruntime==1.31.1", "openvino==2026.4.1", "ai-edge-litert==2.3.0", "numpy==2.4.6", "pillow==13.0.0"]
HEADERS = ("https://deb.debian.org/debian/pool/main/o/onnxruntime/libonnxruntime-dev_1.21.0+dfsg-1_amd64.deb", "14f7d959d5deacbcf1504830d4189f91fc67382b399ed9ae9d3aa9c4050ced08")
JARS = {
    f"{MAVEN}/org/jetbrains/kotlin/kotlin-compiler-embeddable/2.4.21/kotlin-compiler-embeddable-2.4.21.jar": "ef19419c765e7ac8404465fa026ca8fc4dbb8a822de0fc79aa53c8dce29f1d02",
    f"{MAVEN}/org/jetbrains/kotlin/kotlin-stdlib/2.4.21/kotlin-stdlib-2.4.21.jar": "bd8250210584cb659847dce9cda660f8e9906e5def7fbebcea93dc6dcb6a88a3",
    f"{MAVEN}/org/jetbrains/kotlin/kotlin-script-runtime/2.4.21/kotlin-script-runtime-2.4.21.jar": "a658cf5902a1525a06c264a5e42b437e97a6679ddeef8ca641246f270cf6a013",
    f"{MAVEN}/org/jetbrains/kotlin/kotlin-build-tools-api/2.4.21/kotlin-build-tools-api-2.4.21.jar": "c5cd6a49bd072b529ae10809111c16a7aa0f92147e95d288354017fd65799461",
    f"{MAVEN}/org/jetbrains/kotlin/kotlin-daemon-embeddable/2.4.21/kotlin-daemon-embeddable-2.4.21.jar": "7b3ef24674e5bcffcadfc4e43202ea314194939ecbcdd90a4770b2f1b04e0d07",
    f"{MAVEN}/org/jetbrains/kotlin/kotlin-reflect/1.6.10/kotlin-reflect-1.6.10.jar": "3277ac102ae17aad10a55abec75ff5696c8d109790396434b496e75087854203",
    f"{MAVEN}/org/jetbrains/kotlinx/kotlinx-coroutines-core-jvm/1.8.0/kotlinx-coroutines-core-jvm-1.8.0.jar": "9860906a1937490bf5f3b06d2f0e10ef451e65b95b269f22daf68a3d1f5065c5",
    f"{MAVEN}/org/jetbrains/annotations/13.0/annotations-13.0.jar": "ace2a10dc8e2d5fd34925ecac03e4988b2c0f851650c94b8cef49ba1bd111478",
    f"{MAVEN}/org/json/json/20260814/json-20260814.jar": "7dd2de1533e766e2b6c07d8194da85145ad313a167a4760050f5c9b6839604fe",
    f"{MAVEN}/com/microsoft/onnxruntime/onnxruntime/1.29.0/onnxruntime-1.29.0.jar": "5933bbc0c6c4d89afc04bf7c11011de23a947509c1352e5bf5936e62a84e4d10",
}
# Of these only parts are taken: (name in the archive, name here).
PARTS = {
    f"{MAVEN}/org/tensorflow/tensorflow-lite/2.6.0/tensorflow-lite-2.6.0.aar": ("f7dcd32a48dc348ee2eea2bed37044354a21e43dfdf507b6a73b40b05d5793ea", [("classes.jar", "jars/tensorflow-lite.jar")]),
    f"{MAVEN}/ai/djl/tflite/tflite-native-cpu/2.6.2/tflite-native-cpu-2.6.2-linux-x86_64.jar": (
        "aa8ae00d9b39489d03aa76f388019da6a086eee99a22f7d7a31e4b5a09003c8e", [("native/lib/libtensorflowlite_jni.so", "jni/libtensorflowlite_jni.so")],
    ),
    f"{MAVEN}/org/bytedeco/tensorflow-lite/2.21.0-1.5.14/tensorflow-lite-2.21.0-1.5.14-linux-x86_64.jar": (
        "97061333854967aadf2f092681d63af90b804db3800f007cffd24a2901f4bc72", [("org/bytedeco/tensorflowlite/linux-x86_64/libjnitensorflowlite.so", "lib/libjnitensorflowlite.so")],
    ),
    f"{MAVEN}/org/tensorflow/tensorflow-lite/2.12.0/tensorflow-lite-2.12.0.aar": ("002371fefe277e93f1421206062823d04daceb6c9e4e824cb543eab2d3a00c91", [("headers/tensorflow/", "include/tensorflow/")]),
}


def fetch(url: str, digest: str, target: Path) -> Path:
    if target.exists():
        return target
    partial = target.with_suffix(".tmp")
    for pause in (1, 5, None):  # seconds before the next try
        try:
            with urllib.request.urlopen(url, timeout=120) as answer, partial.open("wb") as out:
                shutil.copyfileobj(answer, out)
            break
        except OSError as error:  # URLError is one
            if pause is None or isinstance(error, urllib.error.HTTPError):
                raise OSError(f"{url}: {error}") from error
            time.sleep(pause)
    found = hashlib.sha256(partial.read_bytes()).hexdigest()
    if found != digest:
        sys.exit(f"{url} has the sum {found}, expected {digest}: it was replaced; look at the new file and change wrapper_tools.py")
    partial.replace(target)
    return target


def take(archive: Path, parts: list[tuple[str, str]], root: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        for source, target in parts:
            for name in content.namelist():
                if name.startswith(source) and not name.endswith("/"):
                    path = root / (target + name.removeprefix(source))
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content.read(name))


def prepare(root: Path) -> None:
    stamp = root / f".ready-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]}"
    if stamp.exists():
        return
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise OSError(f"the runtimes are pinned for Linux on x86_64, this is {sys.platform} on {platform.machine()}")
    if not shutil.which("dpkg-deb"):
        raise OSError("dpkg-deb, which unpacks ONNX Runtime's headers, is not installed (it is a part of Debian's and Ubuntu's dpkg)")
    shutil.rmtree(root / "venv", ignore_errors=True)
    for path in root.glob(".ready-*"):
        path.unlink()
    downloads = root / "downloads"
    for folder in (downloads, root / "jars"):
        folder.mkdir(parents=True, exist_ok=True)
    print("== fetching what compiles and runs the wrappers (300 MB, once)", flush=True)
    for url, digest in JARS.items():
        fetch(url, digest, root / "jars" / url.rsplit("/", 1)[1])
    for url, (digest, parts) in PARTS.items():
        take(fetch(url, digest, downloads / url.rsplit("/", 1)[1]), parts, root)
    subprocess.run(["dpkg-deb", "-x", str(fetch(*HEADERS, downloads / "onnxruntime-dev.deb")), str(root / "onnxruntime")], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(root / "venv")], check=True)
    subprocess.run([str(root / "venv/bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PYTHON], check=True)
    stamp.touch()


def main(root: Path) -> int:
    try:
        prepare(root)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"== the tests that compile wrappers of exported models are skipped: {error}", file=sys.stderr, flush=True)
        return 1 if os.environ.get("CI") else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
