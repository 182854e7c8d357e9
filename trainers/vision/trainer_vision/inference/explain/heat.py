"""What a heat map says in numbers and as pictures. Needs numpy and Pillow."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from .target import Score

GRID = 64  # cells of the longer side, on which regions are found
REGIONS = 5
SPECK = 3  # cells, of what is no region
STEPS = 10  # of the deletion curve


def normal(heat: np.ndarray) -> np.ndarray:
    """From 0 to 1; what speaks against the answer is 0."""
    heat = np.clip(heat, 0, None)
    return heat / max(float(heat.max()), 1e-12)


def statistics(heat: np.ndarray) -> dict[str, Any]:
    """Of a normal heat map: its largest and mean value, and the regions above its 90th percentile, hottest first."""
    return {"max_activation": round(float(heat.max()), 5), "mean_activation": round(float(heat.mean()), 5), "top_regions": regions(heat)}


def regions(heat: np.ndarray) -> list[dict[str, Any]]:
    height, width = heat.shape
    scale = min(1.0, GRID / max(height, width))
    small = resized(heat, max(1, round(height * scale)), max(1, round(width * scale)))
    hot = small > np.percentile(small, 90)
    found = []
    while hot.any():
        cells = _connected(hot)
        hot &= ~cells
        if found and cells.sum() < SPECK:
            continue
        y, x = np.nonzero(cells)
        box = [x.min() / scale, y.min() / scale, (x.max() + 1) / scale, (y.max() + 1) / scale]
        found.append({
            "x": round(box[0]), "y": round(box[1]), "w": round(min(box[2], width) - box[0]), "h": round(min(box[3], height) - box[1]),
            "score": round(float(small[cells].mean()), 5),
        })
    return sorted(found, key=lambda r: -r["score"])[:REGIONS]


def _connected(hot: np.ndarray) -> np.ndarray:
    """The cells that hang together with the first one."""
    cells = np.zeros_like(hot)
    cells.flat[int(hot.argmax())] = True
    while True:
        grown = cells.copy()
        grown[1:] |= cells[:-1]
        grown[:-1] |= cells[1:]
        grown[:, 1:] |= cells[:, :-1]
        grown[:, :-1] |= cells[:, 1:]
        grown &= hot
        if (grown == cells).all():
            return cells
        cells = grown


def resized(heat: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(heat.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))


def deletion(picture: np.ndarray, heat: np.ndarray, score: Score) -> float:
    """How faithful the heat is (Petsiuk et al. 2018): the mean of the answer, as a share of the first one, while the hottest
    tenth after tenth of the picture is made grey. Smaller is better; heat at random has about 0.5 on a simple object."""
    order = np.argsort(-heat.ravel(), kind="stable")
    grey = picture.reshape(-1, 3).mean(0).astype(np.uint8)
    pictures = []
    for step in range(STEPS + 1):
        cut = picture.copy().reshape(-1, 3)
        cut[order[: len(order) * step // STEPS]] = grey
        pictures.append(cut.reshape(picture.shape))
    answers = score(pictures)
    return float(np.clip(answers / max(float(answers[0]), 1e-9), 0, 1).mean())


def overlay(picture: np.ndarray, heat: np.ndarray) -> Image.Image:
    colour = colours(heat)
    share = (0.55 * heat)[..., None]
    return Image.fromarray((picture * (1 - share) + colour * share).astype(np.uint8))


def colours(heat: np.ndarray) -> np.ndarray:
    """Dark blue over green and yellow to red."""
    anchors = np.array([[30, 30, 120], [20, 160, 180], [90, 200, 70], [250, 220, 40], [220, 30, 30]], dtype=float)
    at = heat * (len(anchors) - 1)
    low = np.minimum(at.astype(int), len(anchors) - 2)
    share = (at - low)[..., None]
    return anchors[low] * (1 - share) + anchors[low + 1] * share
