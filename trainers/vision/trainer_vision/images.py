"""The one reader of images: training, validation, inference and export see the same pixels. Needs Pillow and numpy.

EXIF rotation is applied, as the platform shows images. 16 bits a channel are scaled to 8. Pixels that are floating-point or
32-bit numbers have no range that everybody agrees on: they are refused with a message. Transparency is dropped, which is said.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from trainer_sdk import JobError

SIXTEEN_BITS = {"I;16", "I;16L", "I;16B", "I;16N"}
_said: set[str] = set()


def read_image(path: Path) -> Image.Image:
    """The image as RGB with 8 bits a channel; one that cannot be read that way ends the job, it is never left out."""
    try:
        with Image.open(path) as image:
            return to_rgb(ImageOps.exif_transpose(image), path)
    except JobError:
        raise
    except Exception as error:  # decoders raise whatever they like of broken bytes, struct.error of broken EXIF
        raise JobError(f"the image {path} cannot be read: {why(path, error)}") from error


def why(path: Path, error: Exception) -> str:
    if path.is_file() and not path.stat().st_size:
        return "it is empty"
    if isinstance(error, ImportError):  # beside Ultralytics, Pillow looks for a reader of HEIF where no other knows the file
        return "it is of no format that is known here"
    return str(error)


def to_rgb(image: Image.Image, path: Path) -> Image.Image:
    say_what_is_lost(image, path)
    if image.mode in SIXTEEN_BITS:
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")  # as OpenCV and Ultralytics do: 65535 is white
    if image.mode in {"F", "I"}:
        kind = "floating-point" if image.mode == "F" else "32-bit"
        raise JobError(f"the image {path} has {kind} pixels, and nothing says which value is white: convert the dataset's images to 8 or 16 bits a channel")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def say_what_is_lost(image: Image.Image, path: Path) -> None:
    """Also of an image that is opened and not decoded, where another reader decodes it."""
    if image.mode in SIXTEEN_BITS:
        if "16 bits" not in _said:  # the first one's pixels are looked at, also where another reader decodes it
            say_once("16 bits", f"images have 16 bits a channel, first {path}: they are scaled to 8{dark(np.asarray(image))}")
    elif image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        say_once("alpha", f"images have transparency, first {path}: it is dropped, the colours below it are used")


def dark(pixels: np.ndarray) -> str:
    """What happens to the 10 or 12 bits of a microscope or an X-ray in a file of 16."""
    brightest = int(pixels.max(initial=0))
    return f". Its brightest pixel is {brightest} of 65535, so that it becomes nearly black: stretch such images to 16 bits before you upload them" if brightest < 4096 else ""


def say_once(key: str, message: str) -> None:
    if key not in _said:
        _said.add(key)
        print(f"[trainer] {message}", flush=True)
