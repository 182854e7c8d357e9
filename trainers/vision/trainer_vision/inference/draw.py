"""An image with what was found on it, and beside that what is labelled. Needs Pillow."""

from __future__ import annotations

import colorsys
import functools
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .loading import Loaded
from .predictor import Answer, Mask, Objects
from .records import Truth
from .samples import Sample

QUALITY = 90
LONGEST_STEM = 60  # letters: of four bytes each they fit a file name
# What no name of a file may have: what the agent replaces in keys of objects (control characters, those that turn the direction of
# writing, what was no Unicode, the backslash), and what Windows refuses.
UNFIT = re.compile(r'[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd\ud800-\udfff\\/:*?"<>|]')
TILE, COLUMNS = 256, 6  # of the contact sheet
WIDEST = 1600  # pixels that a name may widen a small picture to
LABELLED = (255, 255, 255)
# Fonts with the letters of most languages, Korean among them: the package that requirements.txt names, then those of systems.
PACKAGE, PACKAGED = "cvttf_NotoSansCJK_Regular", "*.[ot]t[fc]"
SYSTEM = ("NotoSansCJK-Regular.ttc", "NanumGothic.ttf", "AppleSDGothicNeo.ttc", "malgun.ttf", "DejaVuSans.ttf")


def drawing_name(at: int, sample: Sample) -> str:
    """A name that is the same in the bucket and on every disk: results.json and report.html lead to the file by it."""
    return f"{at:06}-{UNFIT.sub('_', Path(sample.name).stem[:LONGEST_STEM])}.jpg"


def draw(item: Loaded, answer: Answer, truth: Truth, names: Sequence[str], target: Path) -> None:
    assert item.picture is not None
    picture = item.picture
    if isinstance(answer, Objects):
        scale = picture.width / max(item.width, 1)
        found = paint(picture.copy(), answer, names, scale)
        if isinstance(truth, Objects):  # found at the left, labelled at the right
            found = beside(found, paint(picture.copy(), truth, names, scale, labelled=True))
    elif isinstance(answer, Mask):
        found = cover(picture, answer, names)
        if isinstance(truth, Mask):
            found = beside(found, cover(picture, truth, names))
    else:
        best = int(np.argmax(answer))
        lines = [f"{names[best]} {answer[best]:.2f}"] + ([f"true: {names[truth]}"] if isinstance(truth, int) else [])
        found = below(picture, lines)
    target.parent.mkdir(parents=True, exist_ok=True)
    found.save(target, quality=QUALITY)


def write_sheet(out: Path, drawings: Sequence[str]) -> None:
    """contact-sheet.jpg: the drawings of the report on one picture, in its order."""
    if not drawings:
        return
    columns = min(COLUMNS, len(drawings))
    sheet = Image.new("RGB", (columns * TILE, -(-len(drawings) // columns) * TILE), "white")
    for i, name in enumerate(drawings):
        with Image.open(out / name) as drawing:
            tile = drawing.convert("RGB")
        tile.thumbnail((TILE - 8, TILE - 8))
        sheet.paste(tile, (i % columns * TILE + 4, i // columns * TILE + 4))
    sheet.save(out / "contact-sheet.jpg", quality=QUALITY)


def paint(picture: Image.Image, objects: Objects, names: Sequence[str], scale: float, labelled: bool = False) -> Image.Image:
    canvas = ImageDraw.Draw(picture, "RGBA")
    width = max(2, picture.width // 320)
    for i in np.argsort(objects.scores, kind="stable"):  # the most confident on top
        index = int(objects.classes[i])
        colour = colour_of(index)
        box = [float(v) * scale for v in objects.boxes[i]]
        if objects.polygons is not None and len(objects.polygons[i]) >= 3:
            canvas.polygon([(float(x) * scale, float(y) * scale) for x, y in objects.polygons[i]], fill=(*colour, 90), outline=(*colour, 255), width=width)
        canvas.rectangle(ordered(box), outline=(*colour, 255), width=width)
        for x, y, seen in objects.keypoints[i] if objects.keypoints is not None else ():
            if seen > 0:
                r = 2 * width
                canvas.ellipse((x * scale - r, y * scale - r, x * scale + r, y * scale + r), fill=(*colour, 255))
        label(canvas, (box[0], box[1]), names[index] if labelled else f"{names[index]} {objects.scores[i]:.2f}", colour, picture.size)
    return picture


def cover(picture: Image.Image, mask: Mask, names: Sequence[str]) -> Image.Image:
    """The classes laid over the image, with their names; a background stays as it is."""
    small = np.asarray(Image.fromarray(mask.classes.astype(np.int32)).resize(picture.size, Image.Resampling.NEAREST))
    pixels = np.asarray(picture).astype(float)
    shown = [int(i) for i in np.unique(small) if 0 <= i < len(names) and names[i] != "background"]
    for index in shown:
        pixels[small == index] = (pixels[small == index] + colour_of(index)) / 2
    covered = Image.fromarray(pixels.astype(np.uint8))
    canvas = ImageDraw.Draw(covered)
    for index in shown:
        y, x = (int(v.mean()) for v in np.nonzero(small == index))
        label(canvas, (x, y), names[index], colour_of(index), covered.size)
    return covered


def ordered(box: list[float]) -> list[float]:
    return [min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])]


def label(canvas: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, colour: tuple[int, int, int], size: tuple[int, int]) -> None:
    """Text on a ground of the class's colour, inside of the image."""
    text = one_line(text)
    face = font(max(12, min(size) // 32))
    _, top, _, bottom = canvas.textbbox((0, 0), "Ag" + text, font=face)  # of equal height for all labels
    w, h = canvas.textlength(text, font=face) + 6, bottom - top + 4
    x = min(max(corner[0], 0), max(size[0] - w, 0))
    y = corner[1] - h if corner[1] >= h else corner[1]
    y = min(max(y, 0), max(size[1] - h, 0))
    dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    canvas.rectangle((x, y, x + w, y + h), fill=(*colour, 255))
    canvas.text((x + 3, y + 2 - top), text, fill=(0, 0, 0) if dark else (255, 255, 255), font=face)


def one_line(text: str) -> str:
    """Names of classes may have line breaks, which Pillow cannot measure."""
    return " ".join(text.split())


def below(picture: Image.Image, lines: Sequence[str]) -> Image.Image:
    """The image, with lines of text under it: nothing of it is covered."""
    face = font(max(14, picture.width // 32))
    written = [one_line(line) for line in lines]
    height = sum(face.getbbox("Ag힣")[3] + 4 for _ in lines) + 4
    longest = max((int(face.getlength(line)) for line in written), default=0)
    canvas = Image.new("RGB", (max(picture.width, min(longest + 8, WIDEST)), picture.height + int(height)), "white")
    canvas.paste(picture, (0, 0))
    pen, y = ImageDraw.Draw(canvas), picture.height + 2
    for line in written:
        pen.text((4, y), line, fill="black", font=face)
        y += int(face.getbbox("Ag힣")[3] + 4)
    return canvas


def beside(found: Image.Image, labelled: Image.Image) -> Image.Image:
    gap = 8
    both = Image.new("RGB", (found.width + gap + labelled.width, found.height), LABELLED)
    both.paste(found, (0, 0))
    both.paste(labelled, (found.width + gap, 0))
    return both


def colour_of(index: int) -> tuple[int, int, int]:
    """Colours far apart for neighbouring classes: the golden angle on the colour wheel."""
    r, g, b = colorsys.hsv_to_rgb(index * 0.618034 % 1, 0.75, 0.95)
    return round(255 * r), round(255 * g), round(255 * b)


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in (*packaged(), *SYSTEM):
        try:
            return ImageFont.truetype(str(name), size)
        except OSError:
            continue
    return ImageFont.load_default(size)


@functools.cache
def packaged() -> tuple[Path, ...]:
    spec = importlib.util.find_spec(PACKAGE)
    folders = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    return tuple(path for folder in folders for path in sorted(folder.rglob(PACKAGED)))
