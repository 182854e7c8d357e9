"""Read prepared folders of classes with torchvision, timm and Hugging Face datasets.

Standard input: a JSON list of {"name", "dir"}. Standard output: a JSON object, by
name, reader and split, of {file below the split: class index}, and each reader's
folder names in index order.
"""

import contextlib
import json
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ.setdefault("HF_HOME", tempfile.mkdtemp(prefix="hf-"))

with contextlib.redirect_stdout(sys.stderr):
    from datasets import Image, disable_progress_bars, load_dataset
    from timm.data import create_dataset
    from timm.data.readers.reader_image_folder import ReaderImageFolder
    from torchvision.datasets import ImageFolder

    disable_progress_bars()


def splits(root):
    return [s for s in ("train", "val", "test") if os.path.isdir(os.path.join(root, s))]


def with_torchvision(root):
    out = {}
    for split in splits(root):
        base = os.path.join(root, split)
        dataset = ImageFolder(base)
        dataset[0]
        out[split] = {"names": dataset.classes, "labels": {os.path.relpath(p, base): int(i) for p, i in dataset.samples}}
    return out


def with_timm(root):
    out = {}
    for split in splits(root):
        base = os.path.join(root, split)
        dataset = create_dataset("", root=root, split={"val": "validation"}.get(split, split))
        dataset[0]
        reader = dataset.reader
        names = sorted(reader.class_to_idx, key=reader.class_to_idx.get)
        labels = {os.path.relpath(p, base): int(i) for p, i in reader.samples}
        mapped = ReaderImageFolder(base, class_map=os.path.join(root, "class_map.txt"))
        assert {os.path.relpath(p, base): int(i) for p, i in mapped.samples} == labels, "class_map.txt says otherwise"
        out[split] = {"names": names, "labels": labels}
    return out


def with_datasets(root, builder):
    """With builder None the splits are those of README.md, else they are guessed from folder names."""
    dataset = load_dataset(root) if builder is None else load_dataset(builder, data_dir=root)
    out = {}
    for split, part in dataset.items():
        base = os.path.join(root, {"validation": "val"}.get(split, split))
        part[0]
        label = part.features.get("label")
        paths = part.cast_column("image", Image(decode=False))
        out[{"validation": "val"}.get(split, split)] = {
            "names": label.names if label is not None else None,
            "labels": {os.path.relpath(row["image"]["path"], base): row.get("label") for row in paths},
        }
    return out


def main():
    results = {}
    with contextlib.redirect_stdout(sys.stderr):
        for item in json.load(sys.stdin):
            root = item["dir"]
            results[item["name"]] = {
                "torchvision": with_torchvision(root),
                "timm": with_timm(root),
                "datasets": with_datasets(root, None),
                "datasets, splits guessed": with_datasets(root, "imagefolder"),
            }
    json.dump(results, sys.stdout)


main()
