"""Compares our trainers with the frameworks' own tools: the same data, model, budget and seeds, on this machine's CPU.

`yolo train`, timm's train.py and transformers' run_image_classification.py are run as their authors wrote them; the last two
are no part of a package and come from their repositories at the tag of the installed version (--scripts: a folder that has
them already). Where they cannot be had, plain.py trains with the framework's parts alone, and the table says so. Figures are medians over the seeds; the table shows what a person would ask first: how good, how fast, how big.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator

ROOT = pathlib.Path(__file__).resolve().parents[3]
TRAINERS = ROOT / "trainers"
sys.path.insert(0, str(TRAINERS / "tests"))
import fixtures

SCRIPTS = {
    "timm": ("train.py", "https://raw.githubusercontent.com/huggingface/pytorch-image-models/v{}/train.py"),
    "transformers": ("run_image_classification.py", "https://raw.githubusercontent.com/huggingface/transformers/v{}/examples/pytorch/image-classification/run_image_classification.py"),
}
TRAIN, VAL = 240, 60  # images


@dataclasses.dataclass
class Run:
    """One training: its best metric, CPU seconds and peak memory of all its processes."""

    metric: float
    cpu: float
    peak_mib: float
    wall: float


def measured(command: list[str], metric: Callable[[str], float], **env: object) -> Run:
    settings = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join([str(TRAINERS / "sdk"), str(TRAINERS / "vision")])}
    with tempfile.TemporaryFile("w+") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, env={**os.environ, **settings, **{k: str(v) for k, v in env.items()}}, stdout=output, stderr=subprocess.STDOUT, cwd=tempfile.gettempdir())
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{text[-3000:]}")
    return Run(metric(text), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, time.monotonic() - started)


def ours(framework: str, out: pathlib.Path, metric: str, options: dict[str, object], **job: object) -> Run:
    def best(text: str) -> float:
        line = next(line for line in reversed(text.splitlines()) if line.startswith("[trainer] jobs/local/done "))
        return json.loads(line.split(" ", 2)[2])["final_metrics"][metric]

    settings = {"OUTPUT_DIR": out, "NUM_WORKERS": 0, "CHECKPOINT_FREQUENCY": 0, "DEVICE": "cpu", "CONFIG_JSON": json.dumps({"config": options}), **job}
    return measured([sys.executable, str(TRAINERS / framework / "train.py")], best, **settings)


def plain(kind: str, *arguments: object, **env: object) -> Run:
    return measured([sys.executable, str(pathlib.Path(__file__).with_name("plain.py")), kind, *map(str, arguments)], lambda text: float(text.split()[-1]), **env)


def script(name: str, folder: pathlib.Path) -> str | None:
    """The path of a framework's own script; None, and said, where it cannot be had."""
    file, url = SCRIPTS[name]
    path = folder / file
    if not path.is_file():
        try:
            with urllib.request.urlopen(url.format(importlib.metadata.version(name)), timeout=30) as reply:
                path.write_bytes(reply.read())
        except OSError as error:
            print(f"{file} of {name} cannot be had ({error}); its place takes plain.py", file=sys.stderr)
            return None
    return str(path)


# --- the three pairs: each yields (what, ours, theirs) for a seed ------------------------------------


def ultralytics(work: pathlib.Path, seed: int, epochs: int, _scripts: pathlib.Path) -> Iterator[tuple[str, Run, Run]]:
    data = work / "yolo"
    if not data.exists():
        fixtures.write_yolo(data, "object_detection", TRAIN, VAL)
    own = ours(
        "ultralytics", work / f"own-{seed}", "mAP50-95", {"seed": seed},
        TASK_TYPE="object_detection", MODEL_NAME="yolo11n", DATASET_DIR=data, EPOCHS=epochs, BATCH_SIZE=16, IMAGE_SIZE=96, LEARNING_RATE=0.001, PRETRAINED="false",
    )
    arguments = (
        f"detect train model=yolo11n.yaml data={data / 'data.yaml'} epochs={epochs} batch=16 imgsz=96 lr0=0.001 optimizer=AdamW warmup_bias_lr=0 "
        f"seed={seed} workers=0 device=cpu plots=False pretrained=False project={work} name=theirs-{seed}"
    ).split()

    def best(_text: str) -> float:
        with (work / f"theirs-{seed}" / "results.csv").open() as file:
            return max(float(row["metrics/mAP50-95(B)"]) for row in csv.DictReader(file))

    theirs = measured([str(pathlib.Path(sys.executable).with_name("yolo")), *arguments], best, YOLO_OFFLINE="true", YOLO_CONFIG_DIR=work)
    yield "yolo11n, mAP50-95; yolo train", own, theirs


def timm(work: pathlib.Path, seed: int, epochs: int, scripts: pathlib.Path) -> Iterator[tuple[str, Run, Run]]:
    train, data = script("timm", scripts), folders(work)
    own = ours(
        "timm", work / f"own-{seed}", "accuracy", {"seed": seed},
        TASK_TYPE="image_classification", MODEL_NAME="resnet18", DATASET_DIR=data, EPOCHS=epochs, BATCH_SIZE=16, IMAGE_SIZE=64, LEARNING_RATE=0.001, PRETRAINED="false",
    )
    arguments = (
        f"--data-dir {data} --model resnet18 --num-classes 3 --img-size 64 --epochs {epochs} -b 16 --opt adamw --lr 0.001 --weight-decay 0.05 "
        "--sched cosine --warmup-epochs 0 --min-lr 0 --smoothing 0.1 --scale 0.35 1.0 --color-jitter 0.3 --workers 0 --no-prefetcher --device cpu "
        f"--seed {seed} --output {work} --experiment theirs-{seed}"
    ).split()

    def best(_text: str) -> float:
        with (work / f"theirs-{seed}" / "summary.csv").open() as file:
            return max(float(row["eval_top1"]) for row in csv.DictReader(file)) / 100

    if train is None:
        yield "resnet18, accuracy; timm's parts in a plain loop", own, plain("timm", data, work / f"theirs-{seed}", seed, epochs)
    else:
        yield "resnet18, accuracy; timm's train.py", own, measured([sys.executable, train, *arguments], best)


def huggingface(work: pathlib.Path, seed: int, epochs: int, scripts: pathlib.Path) -> Iterator[tuple[str, Run, Run]]:
    train, data, model = script("transformers", scripts), folders(work), work / "vit"
    if not model.exists():
        make = (
            "import sys; from transformers import ViTConfig as C, ViTForImageClassification as M, ViTImageProcessor as P\n"
            "M(C(hidden_size=192, num_attention_heads=3, intermediate_size=768, image_size=64, num_labels=3)).save_pretrained(sys.argv[1])\n"
            "P(size={'height': 64, 'width': 64}).save_pretrained(sys.argv[1])"
        )
        subprocess.run([sys.executable, "-c", make, str(model)], check=True, capture_output=True)
    own = ours(
        "huggingface", work / f"own-{seed}", "accuracy", {"seed": seed, "lr_scheduler_type": "linear", "weight_decay": 0.0, "crop_scale_min": 0.08},
        TASK_TYPE="image_classification", MODEL_NAME="", PRETRAINED_WEIGHTS=model, DATASET_DIR=data, EPOCHS=epochs, BATCH_SIZE=16, IMAGE_SIZE=64, LEARNING_RATE=0.0005,
    )
    out = work / f"theirs-{seed}"
    arguments = (
        f"--model_name_or_path {model} --train_dir {data / 'train'} --validation_dir {data / 'val'} --label_column_name label --do_train --do_eval "
        f"--num_train_epochs {epochs} --per_device_train_batch_size 16 --learning_rate 0.0005 --seed {seed} --output_dir {out} --eval_strategy epoch "
        "--save_strategy epoch --remove_unused_columns False --use_cpu True --report_to none --ignore_mismatched_sizes"
    ).split()

    def best(_text: str) -> float:
        state = json.loads((out / "trainer_state.json").read_text())
        return max(entry["eval_accuracy"] for entry in state["log_history"] if "eval_accuracy" in entry)

    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": work / "hub"}
    if train is None:
        yield "ViT-tiny, accuracy; transformers' Trainer alone", own, plain("transformers", data, out, seed, epochs, model, **offline)
    else:
        yield "ViT-tiny, accuracy; run_image_classification.py", own, measured([sys.executable, train, *arguments], best, **offline)


def folders(work: pathlib.Path) -> pathlib.Path:
    data = work / "folders"
    if not data.exists():
        fixtures.write_imagefolder(data, TRAIN, VAL)
    return data


PAIRS = {"ultralytics": ultralytics, "timm": timm, "huggingface": huggingface}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--scripts", type=pathlib.Path, help="a folder with train.py of timm and run_image_classification.py of transformers")
    arguments = parser.parse_args()
    print("## Trainers against the frameworks' own tools\n")
    print(f"`make compare`: {TRAIN} drawn images and {VAL} for validation, {arguments.epochs} epochs from the same start, {arguments.seeds} seeds, one thread; medians, and the metric of every seed.")
    print("CPU seconds are those of the whole process (start, training, validation of every epoch, checkpoints), divided by the images trained on.\n")
    print("| | ours | | their own | | CPU ms an image | | peak MiB | |\n|---|---|---|---|---|---|---|---|---|")
    print("| | metric | seeds | metric | seeds | ours | theirs | ours | theirs |")
    with tempfile.TemporaryDirectory(prefix="compare-") as temporary:
        scripts = arguments.scripts or pathlib.Path(temporary)
        for name in arguments.only:
            work = pathlib.Path(temporary) / name
            work.mkdir()
            row([found for seed in range(arguments.seeds) for found in PAIRS[name](work, seed, arguments.epochs, scripts)], arguments.epochs)


def row(found: list[tuple[str, Run, Run]], epochs: int) -> None:
    cells = [found[0][0]]
    sides = [[run for _, run, _ in found], [run for _, _, run in found]]
    for side in sides:
        cells += [f"{statistics.median(r.metric for r in side):.3f}", " ".join(f"{r.metric:.3f}" for r in side)]
    cells += [f"{statistics.median(r.cpu for r in side) * 1000 / (TRAIN * epochs):.1f}" for side in sides]
    cells += [f"{statistics.median(r.peak_mib for r in side):.0f}" for side in sides]
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
