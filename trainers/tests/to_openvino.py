"""Converts the ONNX packages of a folder to OpenVINO: python to_openvino.py ROOT."""

import json
import shutil
import sys
from pathlib import Path

import openvino

root = Path(sys.argv[1])
for source in sorted((root / "onnx").iterdir()):
    target = root / "openvino" / source.name
    if target.exists():
        continue
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("model.onnx"))
    (target / "openvino").mkdir()
    openvino.save_model(openvino.convert_model(source / "model.onnx"), target / "openvino" / "model.xml", compress_to_fp16=False)
    metadata = json.loads((target / "metadata.json").read_text())
    metadata["model"] |= {"file": "openvino", "format": "openvino", "sha256": ""}
    (target / "metadata.json").write_text(json.dumps(metadata))
