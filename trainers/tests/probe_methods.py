"""Explains one picture with fresh models of one trainer, each as its predict.py would: in torch, and as an exported file.

    probe_methods.py ultralytics|timm|huggingface|plain|torch FOLDER

Prints {model: {method: "yes", or why it is refused}}; "exported MODEL" is the same model as a file. With EXPLANATIONS=all there are more
models, and every file that can be read again. Fewer pictures are asked for than in a job, and one box only.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import io
import json
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image
from trainer_sdk import Job, JobError, Platform
from trainer_vision.inference import running
from trainer_vision.inference.explain import explainer

METHODS = ("gradcam", "lime", "shap", "attention")
NAMES = ["circle", "square"]
EXPORTED = {"yolo11n", "test_resnet", "unet-test_resnet"}
EVERYTHING = os.environ.get("EXPLANATIONS") == "all"
MORE = {"yolo26n", "yolo11n-seg", "yolo11n-pose", "yolo11n-cls", "test_vit", "vit-tiny-patch16-224", "segformer-b0"}  # a minute more
Made = Iterator[tuple[str, str, Path]]
"""Model, task and checkpoint."""


def ultralytics(folder: Path) -> Made:
    importlib.import_module("offline")
    importlib.import_module("yolo").MOST = 5  # boxes, of which a model that has learnt nothing finds hundreds
    from ultralytics import YOLO

    tasks = {"-seg": "instance_segmentation", "-pose": "pose_estimation", "-cls": "image_classification"}
    for name in ("yolo11n", "yolo26n end to end", "yolo11n-cls", *(("yolo26n", "yolo11n-seg", "yolo11n-pose", "yolo11n-obb") if EVERYTHING else ())):
        file = f"{name.split()[0]}.yaml"
        model = YOLO(file)
        made = type(model.model)(file, nc=len(NAMES), verbose=False)
        made.names, made.task, made.args = dict(enumerate(NAMES)), model.task, model.overrides | {"task": model.task, "imgsz": 64}
        if name.endswith("end to end"):
            made.model[-1].end2end = True
        model.model = made
        model.save(folder / f"{name}.pt")
        yield name, next((task for part, task in tasks.items() if name.endswith(part)), "object_detection"), folder / f"{name}.pt"


def timm(folder: Path) -> Made:
    import torch
    from model import build_model
    from trainer_sdk import check_options
    from unet import build_unet

    options = check_options({}, importlib.import_module("config_schema").schema())
    for name in ("test_resnet", "test_vit", "test_vit4", "test_maxvit", "unet-test_resnet"):
        masks = name.startswith("unet")
        task = "semantic_segmentation" if masks else "image_classification"
        names = [*NAMES, "background"] if masks else NAMES
        made = build_unet(name, len(names), options, None) if masks else build_model(name, len(names), 64, options, None)
        torch.save({"state_dict": made.state_dict(), "class_names": names, "arch": name, "image_size": 64, "options": options, "task": task}, folder / f"{name}.pt")
        yield name, task, folder / f"{name}.pt"


def huggingface(folder: Path) -> Made:
    importlib.import_module("offline")
    import models
    import preprocessing

    for name, task in (
        ("vit-tiny-patch16-224", "image_classification"), ("clip-vit-tiny-patch16", "image_classification"), ("clip-vit-tiny-patch16", "zero_shot_classification"),
        ("segformer-b0", "semantic_segmentation"), ("rtdetr-tiny", "object_detection"),
    ):
        names = [*NAMES, "background"] if task == "semantic_segmentation" else NAMES
        made = models.build(task, name, names, 64, None, "a picture of a {}", None)
        path = folder / f"{name}-{task}"
        made.save_pretrained(path)
        if tokenizer := getattr(made, "tokenizer", None):
            tokenizer.save_pretrained(path)
        saved = {"task": task, "model": name, "class_names": names, "prompt": "a picture of a {}", "ignore_background": False, "image_size": 64}
        (path / "trainer.json").write_text(json.dumps(saved))
        (path / "preprocessor_config.json").write_text(json.dumps(preprocessing.of_model(name, None, 64).at(64).describe()))
        yield f"{name} as a classifier" if name.startswith("clip") and task == "image_classification" else name, task, path
    yield "swin", "image_classification", swin(folder / "swin")


def swin(path: Path) -> Path:
    """Attention within windows."""
    from preprocessing import of_model
    from transformers import SwinConfig, SwinForImageClassification

    config = SwinConfig(image_size=64, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4, id2label=dict(enumerate(NAMES)))
    SwinForImageClassification(config).save_pretrained(path)
    (path / "trainer.json").write_text(json.dumps({"task": "image_classification", "model": "swin", "class_names": NAMES, "prompt": "{}", "image_size": 64}))
    (path / "preprocessor_config.json").write_text(json.dumps(of_model("swin", None, 64).describe()))
    return path


def starter(kind: str, folder: Path) -> Made:
    made = importlib.import_module("model")
    path = folder / "best"
    made.save(made.build("my-trainer-s", NAMES, 64, 0), path)
    yield kind, "image_classification", path if path.exists() else path.with_suffix(".npz")


def exported(trainer: str, task: str, checkpoint: Path, folder: Path) -> Path:
    """The same model as export.py writes it, without the comparison and the package."""
    from trainer_sdk.export import ExportRequest
    from trainer_vision.deploy.classifiers import subjects
    from trainer_vision.deploy.formats import Precision
    from trainer_vision.deploy.job import Export

    job = Job.load((), {"TASK_TYPE": task, "OUTPUT_DIR": str(folder)})
    target = folder / "model.torchscript"
    request = ExportRequest.load(job, (), ["torchscript"], {"CHECKPOINT_FILE": str(checkpoint), "EXPORT_FORMAT": "torchscript", "CONFIDENCE_THRESHOLD": "0"})
    made = importlib.import_module("deploy").subject if trainer == "ultralytics" else subjects(importlib.import_module("load").load, trainer, importlib.import_module("positions").fix)
    export = Export(job, Platform(job), request, made(job, request), folder)
    export.written(export.converter("torchscript"), target, Precision())
    return target


def explain(task: str, checkpoint: Path, method: str, folder: Path) -> str:
    """predict.py's own way, but for the process around it."""
    wanted = {
        "TASK_TYPE": task, "CHECKPOINT_FILE": str(checkpoint), "IMAGE_FILES": json.dumps([str(folder / "picture.png")]), "OUTPUT_DIR": str(folder / "out"), "DEVICE": "cpu",
        "CONFIDENCE_THRESHOLD": "0", "ENABLE_XAI": "true", "XAI_METHOD": method, "SAVE_VISUALIZATIONS": "false", "NUM_WORKERS": "1",
    }

    def in_this_process(main: Any, **_: Any) -> None:
        job = Job.load(())
        main(job, Platform(job))

    with mock.patch.dict(os.environ, wanted), mock.patch.object(running, "run", in_this_process), mock.patch.object(sys, "argv", ["predict.py"]):
        try:
            runpy.run_path("predict.py", run_name="__main__")
        except JobError as error:
            late = "; only after it had predicted" if (folder / "out/parts").exists() else ""
            return str(error) + late
    (record,) = json.loads((folder / "out/results.json").read_text())["results"]
    (found,) = record["xai"]
    faithful = 0 <= found["faithfulness"]["deletion"] <= 1 and (folder / "out" / found["heatmap_path"]).is_file()
    boxed = (found["bbox"] is not None) == ("boxes" in record["predictions"])
    return "yes" if faithful and boxed and "top_regions" in found[method] else f"no whole explanation: {found}"


def main() -> None:
    trainer, folder = sys.argv[1], Path(sys.argv[2])
    sys.path.insert(0, os.getcwd())
    if importlib.util.find_spec("torch"):  # the plain starter has none
        importlib.import_module("torch").manual_seed(1)  # some random weights find nothing at all
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(folder / "picture.png")
    makers = {"ultralytics": ultralytics, "timm": timm, "huggingface": huggingface}
    found: dict[str, dict[str, str]] = {}
    few = functools.partial(explainer.perturb, samples=6)
    with contextlib.redirect_stdout(io.StringIO()), mock.patch.object(explainer, "perturb", few), mock.patch.object(explainer, "MOST_BOXES", 1):
        for name, task, checkpoint in makers[trainer](folder) if trainer in makers else starter(trainer, folder):
            files = {name: checkpoint}
            if name in EXPORTED or (name in MORE and EVERYTHING):
                files[f"exported {name}"] = exported(trainer, task, checkpoint, folder)
            for known, file in files.items():
                found[known] = {method: explain(task, file, method, folder) for method in METHODS}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
