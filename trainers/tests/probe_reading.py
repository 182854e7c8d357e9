"""Reads images of many kinds with the reader of all trainers and with each of Ultralytics' own; prints those that differ, as JSON.

The folder of the trainer is on PYTHONPATH. CMYK may differ by one step of 255, which is rounding.
"""

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import offline  # noqa: F401  before ultralytics
import cv2
import numpy as np
import reading  # noqa: F401
import yolo
from PIL import Image
from trainer_sdk import JobError
from trainer_vision.images import read_image
from ultralytics.data import base
from ultralytics.data.dataset import ClassificationDataset

across = np.linspace(0, 1, 60)[None].repeat(40, 0)
colours = np.dstack([across, 1 - across, np.full_like(across, 0.25)])
bytes8, bytes16 = (colours * 255).astype(np.uint8), (colours * 65535).astype(np.uint16)
seen_through = np.dstack([bytes8, (across * 255).astype(np.uint8)])
picture = Image.fromarray(bytes8)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def write(folder: Path) -> None:
    for suffix in ("png", "jpg", "webp", "bmp", "tif"):
        picture.save(folder / f"rgb.{suffix}")
        Image.fromarray(bytes8[..., 0]).save(folder / f"grey.{suffix}")
        if suffix != "bmp":
            for orientation in (3, 5, 6, 8):
                picture.save(folder / f"turned-{orientation}.{suffix}", exif=turned(orientation))
    for suffix in ("png", "tif"):
        cv2.imwrite(str(folder / f"rgb16.{suffix}"), bytes16)
        cv2.imwrite(str(folder / f"grey16.{suffix}"), bytes16[..., 0])
        picture.convert("P").save(folder / f"palette.{suffix}")
        Image.fromarray(bytes8[..., 0] > 127).save(folder / f"bits.{suffix}")
        Image.fromarray(seen_through).save(folder / f"alpha.{suffix}")
        Image.fromarray(seen_through[..., [0, 3]]).save(folder / f"grey-alpha.{suffix}")
    picture.convert("P").save(folder / "palette-alpha.png", transparency=3)
    for suffix in ("jpg", "tif"):
        picture.convert("CMYK").save(folder / f"cmyk.{suffix}")
    picture.save(folder / "pages.tif", save_all=True, append_images=[Image.fromarray(255 - bytes8)])
    Image.fromarray(across.astype(np.float32)).save(folder / "float.tif")
    Image.fromarray((across * 1e6).astype(np.int32)).save(folder / "int32.tif")
    cv2.imwrite(str(folder / "float-rgb.tif"), colours.astype(np.float32))


def pixels(read: Callable[[Any], Any], path: Any, order: int = 1) -> Any:
    try:
        return np.asarray(read(path))[..., ::order].astype(int)
    except JobError:
        return "refused"


def same(one: Any, other: Any) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return bool(np.array_equal(one, other))
    return one.shape == other.shape and int(np.abs(one - other).max()) <= 1


def said(folder: Path) -> list[list[str]]:
    """Of which image what is said, while Ultralytics' own readers read these, each twice."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        for name in ("rgb.png", "rgb.jpg", "alpha.png", "palette-alpha.png", "grey16.png") * 2:
            base.imread(str(folder / name))
            ClassificationDataset.imread(str(folder / name))
    return [[Path(line.split("first ")[1].split(":")[0]).name, line.split("have ")[1].split(" a channel")[0].split(",")[0]] for line in out.getvalue().splitlines()]


with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(sys.stderr):
    write(Path(temporary))
    heard = said(Path(temporary))
    differ, refused = [], []
    for file in sorted(Path(temporary).iterdir()):
        wanted = pixels(read_image, file)
        if isinstance(wanted, str):
            refused.append(file.name)
        theirs = {"train": pixels(base.imread, str(file), -1), "classify": pixels(ClassificationDataset.imread, str(file), -1), "predict": pixels(yolo.read, file, -1)}
        differ += [f"{file.name} ({name})" for name, found in theirs.items() if not same(wanted, found)]
print(json.dumps({"differ": differ, "refused": refused, "said": heard}))
