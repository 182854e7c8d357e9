"""Opens images as a trainer does. In: a list of paths. Out: path -> {pil: [width, height] or null, cv2: likewise}."""
import json
import sys

import cv2
from PIL import Image


def pil(path):
    try:
        with Image.open(path) as im:
            im.convert("RGB").load()
            return im.size
    except Exception:
        return None


def opencv(path):
    im = cv2.imread(path)
    return None if im is None else im.shape[1::-1]


json.dump({path: {"pil": pil(path), "cv2": opencv(path)} for path in json.load(sys.stdin)}, sys.stdout)
