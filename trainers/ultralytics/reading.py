"""Images as this project's one reader reads them, where Ultralytics' own reads them otherwise: in TIFF files.

Every other format gives the same pixels in both, which a test shows, and Ultralytics' is faster. Of a TIFF with floating-point
pixels Ultralytics makes a black image, and of one with transparency another colour. What the decoding loses is said for every
format. Import this before a dataset is made.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from trainer_vision.images import read_image, say_what_is_lost
from ultralytics.data import base, utils
from ultralytics.data.dataset import ClassificationDataset
from ultralytics.utils import patches

TIFF = (".tif", ".tiff")
JPEG = (".jpg", ".jpeg")


def imread(filename: str | Path, flags: int = cv2.IMREAD_COLOR) -> np.ndarray | None:
    """In place of Ultralytics' function of that name: BGR, or grey where that is asked for; None for what is no image."""
    if not str(filename).lower().endswith(TIFF):
        look(Path(filename))
        return patches.imread(filename, flags)
    image = read_image(Path(filename))
    if flags == cv2.IMREAD_GRAYSCALE:
        return np.asarray(image.convert("L"))[..., None]
    return np.ascontiguousarray(np.asarray(image)[..., ::-1])


def of_classifier(filename: str) -> np.ndarray | None:
    if filename.lower().endswith(TIFF):
        return imread(filename)
    look(Path(filename))
    return _of_classifier(filename)


def look(path: Path) -> None:
    """Say of an image what its decoding loses, which Ultralytics keeps to itself: its head is read. JPEG loses nothing."""
    if path.suffix.lower() in JPEG:
        return
    with contextlib.suppress(Exception), Image.open(path) as image:  # one that cannot be opened is Ultralytics' to refuse
        say_what_is_lost(image, path)


_of_classifier = ClassificationDataset.imread
base.imread = utils.imread = imread
ClassificationDataset.imread = staticmethod(of_classifier)
