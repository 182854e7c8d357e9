"""Asks the model about images, or tests the package.

    python example.py image.jpg [more.png …] [--draw out.png]
    python example.py --selftest

Prints one JSON object a line. The model is the package's own; --model names another file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from model_wrapper import Answer, ModelWrapper, WrapperError, read_image
from PIL import Image, ImageDraw

PACKAGE = Path(__file__).resolve().parents[2]
PALETTE = ["#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000", "#000075", "#f032e6"]


def draw(pixels, answer: Answer) -> Image.Image:
    """The image with masks, boxes, names and keypoints."""
    image = Image.fromarray(pixels)
    for found in answer.objects:
        colour = PALETTE[found.class_index % len(PALETTE)]
        if found.mask is not None:
            shape = Image.fromarray((found.mask.whole(answer.width, answer.height) * 110).astype("uint8"))
            image.paste(Image.new("RGB", image.size, colour), (0, 0), shape)
        pen = ImageDraw.Draw(image)
        pen.rectangle(found.bbox, outline=colour, width=max(1, round(max(image.size) / 400)))
        pen.text((found.bbox[0] + 2, found.bbox[1] + 1), f"{found.class_name} {found.confidence:.2f}", fill=colour)
        for x, y, _ in found.keypoints if found.keypoints is not None else ():
            pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
    return image


def selftest(model: ModelWrapper) -> int:
    wrong = model.selftest()
    for text in wrong:
        print(f"selftest: {text}", file=sys.stderr)
    print(f"selftest {'FAILED' if wrong else 'passed'}: {model.path.name} on the golden image")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--model", type=Path, default=PACKAGE)
    parser.add_argument("--draw", type=Path, help="write the last image with what was found")
    parser.add_argument("--selftest", action="store_true", help="compare with the package's golden answer")
    args = parser.parse_args()
    if not args.images and not args.selftest:
        parser.error("name an image, or --selftest")
    model = ModelWrapper(args.model)
    if args.selftest:
        return selftest(model)
    failed = 0
    for path in args.images:
        try:
            pixels = read_image(path)
            answer = model.predict(pixels)
        except WrapperError as error:
            print(f"error: {error}", file=sys.stderr)
            failed = 1
            continue
        print(json.dumps({"image": str(path), **answer.to_json()}))
        if args.draw:
            draw(pixels, answer).save(args.draw)
    return failed


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WrapperError as error:
        sys.exit(f"error: {error}")
