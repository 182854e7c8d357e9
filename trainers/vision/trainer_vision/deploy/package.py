"""The package of an exported model: wrappers, a server's configuration, a container file and a README beside the model, in one zip.

The same files give the same bytes: fixed times, sorted names. Standard library only.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import triton

SOURCES = Path(__file__).with_name("runtimes")
TIME = (2020, 1, 1, 0, 0, 0)
TASKS = ("detect", "segment", "pose", "classify")  # that the wrappers answer
LANGUAGES = {
    "onnx": ("python", "cpp", "kotlin"), "torchscript": ("python", "cpp"), "openvino": ("python", "cpp"), "tflite": ("python", "cpp", "kotlin"),
    "coreml": ("python", "cpp", "swift"), "tensorrt": ("python", "cpp"),
}
ENGINES = {"onnx": "onnxruntime>=1.20", "torchscript": "torch>=2.4", "openvino": "openvino>=2025.0", "tflite": "ai-edge-litert>=2.0"}
CMAKE_ENGINES = {"torchscript": "libtorch", "openvino": "openvino", "tflite": "tflite"}
KEPT = ("metadata.json", "README.md", "Dockerfile", "model.onnx", "golden", "runtimes", "triton")  # and the model itself


def languages(task: str, kind: str) -> list[str]:
    """In which the package has a wrapper."""
    return list(LANGUAGES[kind]) if task in TASKS else []


def complete(folder: Path) -> None:
    """Add what a person needs beside the model."""
    metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    wrapped = metadata["model"]["task"] in TASKS
    if wrapped:
        copy_wrappers(folder, metadata["model"]["format"])
        (folder / "Dockerfile").write_text(DOCKERFILE.format(name=image_name(metadata)), encoding="utf-8")
    if config := triton.config(metadata):
        (folder / "triton").mkdir(exist_ok=True)
        (folder / "triton" / "config.pbtxt").write_text(config, encoding="utf-8")
    (folder / "README.md").write_text(readme(metadata, wrapped, bool(config)), encoding="utf-8")


def copy_wrappers(folder: Path, kind: str) -> None:
    for language in LANGUAGES[kind]:
        shutil.copytree(SOURCES / language, folder / "runtimes" / language, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".build", "build"))
    engine = ENGINES.get(kind, ENGINES["onnx"])  # of what Python cannot run, model.onnx is there
    (folder / "runtimes" / "python" / "requirements.txt").write_text(f"{engine}\nnumpy\npillow\n", encoding="utf-8")


def pack(folder: Path, target: Path) -> None:
    """The zip of what belongs into a package and nothing else; while it is written, `target` is a part of it."""
    metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    kept = {*KEPT, Path(metadata["model"]["file"]).parts[0]}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).parts[0] in kept), key=lambda p: p.relative_to(folder).as_posix()):
            add(archive, file, file.relative_to(folder).as_posix())


def add(archive: zipfile.ZipFile, file: Path, name: str) -> None:
    entry = zipfile.ZipInfo(name, TIME)
    entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
    entry.file_size = file.stat().st_size  # a large one is written in the long form
    with file.open("rb") as source, archive.open(entry, "w") as out:
        shutil.copyfileobj(source, out, 1 << 20)


def image_name(metadata: Mapping[str, Any]) -> str:
    return re.sub(r"[^a-z0-9]+", "-", metadata["model"]["name"].lower()).strip("-") or "model"


DOCKERFILE = """\
# docker build -t {name} . && docker run --rm {name}        tests the model on the golden image
# docker run --rm -v "$PWD:/images:ro" {name} /images/photo.jpg
ARG BASE=docker.io/library/python:3.12-slim
FROM ${{BASE}}
WORKDIR /model
COPY runtimes/python/requirements.txt runtimes/python/
RUN python3 -m pip install --no-cache-dir -r runtimes/python/requirements.txt
COPY . .
USER 65532:65532
ENTRYPOINT ["python3", "runtimes/python/example.py"]
CMD ["--selftest"]
"""

START = {
    "python": "    cd runtimes/python && pip install -r requirements.txt && python example.py --selftest",
    "cpp": "    cd runtimes/cpp && cmake -B build -DENGINE={engine} && cmake --build build && build/example --selftest --model ../..",
    "kotlin": "    see runtimes/kotlin/README.md: Android, and any JVM",
    "swift": "    see runtimes/swift/README.md: iOS and macOS",
}


def prepared(metadata: Mapping[str, Any]) -> str:
    """Who resizes and who scales: a model may do the second alone."""
    spec = metadata["input"]
    sides = spec["shape"][:2] if spec["layout"] == "HWC" else spec["shape"][1:3] if spec["layout"] == "NHWC" else spec["shape"][2:]
    if not metadata["preprocess"]["included"]:
        return "Whoever calls the model resizes and scales the image (the wrappers do)."
    if -1 in sides:
        return "The model resizes and scales the image: any size goes in."
    return "Whoever calls the model resizes the image (the wrappers do); the model scales it."


def readme(metadata: Mapping[str, Any], wrapped: bool, triton_there: bool) -> str:
    model, after = metadata["model"], metadata["postprocess"]
    lines = [
        f"# {model['name']} ({model['format']})", "",
        f"Task {model['task']}, {len(metadata['classes'])} classes, {model['precision']}. `{model['file']}` is the model; metadata.json says all about it: input, resizing,",
        "outputs, classes, how far it differs from the trained model, and where it is from.", "",
        f"- {prepared(metadata)}",
        f"- {'Boxes are chosen and suppressed' if after.get('box_format') else 'Probabilities are made'} by {'the model' if after['included'] else 'whoever calls it (the wrappers do)'}.",
        "- `golden/` has an image and the trainer's own answer to it: `--selftest` of every wrapper compares with it.", "",
    ]
    if note := (metadata.get("parity") or {}).get("note"):
        lines[-1:] = [f"- How far it differs is not all known: {note}.", ""]
    if not wrapped:
        lines += [f"There is no wrapper for the task {model['task']}; metadata.json says how the outputs are read.", ""]
    for language in languages(model["task"], model["format"]):
        lines += [f"## {language}", "", START[language].format(engine=CMAKE_ENGINES.get(model["format"], "onnxruntime")), ""]
    if wrapped:
        name = image_name(metadata)
        lines += ["## Container", "", f"    docker build -t {name} . && docker run --rm {name}", f'    docker run --rm -v "$PWD:/images:ro" {name} /images/photo.jpg', ""]
    if triton_there:
        lines += ["## Triton", "", f"Put `triton/config.pbtxt` and the model into a model repository: `{triton.name(model)}/config.pbtxt`, `{triton.name(model)}/1/{triton.served(model)}`.", ""]
    return "\n".join(lines)
