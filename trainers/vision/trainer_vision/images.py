"""The one reader of images. Needs Pillow and numpy."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError
from trainer_sdk import JobError


def read_image(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise JobError(f"the image {path} cannot be read: {error}") from error
