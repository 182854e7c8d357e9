"""LIME and KernelSHAP on superpixels: which parts of a picture an answer needs, by taking parts away. Needs numpy and Pillow.

Both fit a linear model to the answers for pictures of which some parts are grey; they differ in which parts are taken away
together and in how the answers are weighed (Ribeiro et al. 2016; Lundberg and Lee 2017).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from .target import Score

SAMPLES = 150
PARTS = 36
SEED = 0
SMALL = 64  # pixels of the longer side, on which the parts are found
COMPACT = 20.0  # how much more a distance in place counts than one in colour
KERNEL = 0.25  # LIME's, of the cosine distance
RIDGE = 1e-3


def superpixels(picture: np.ndarray, parts: int = PARTS) -> np.ndarray:
    """Parts of like colour, (h, w) numbers from 0: k-means in colour and place, as SLIC (Achanta et al. 2012) does."""
    height, width = picture.shape[:2]
    scale = SMALL / max(height, width)
    small = Image.fromarray(picture).resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BILINEAR)
    pixels = np.asarray(small, dtype=float)
    h, w = pixels.shape[:2]
    rows = max(1, round((parts * h / w) ** 0.5))
    columns = max(1, round(parts / rows))
    y, x = np.mgrid[:h, :w]
    step = (h * w / (rows * columns)) ** 0.5
    features = np.dstack([pixels, x * COMPACT / step, y * COMPACT / step]).reshape(-1, 5)
    label = ((y * rows // h) * columns + x * columns // w).ravel()
    for _ in range(5):
        used, label = np.unique(label, return_inverse=True)
        count = np.bincount(label, minlength=len(used))[:, None]
        centres = np.stack([np.bincount(label, features[:, i], len(used)) for i in range(5)], 1) / count
        apart = (features[:, None] - centres[None]) ** 2
        far = apart[:, :, 3:].sum(2) > (2 * COMPACT) ** 2  # a part stays in one place, as SLIC's search does
        label = np.where(far, np.inf, apart.sum(2)).argmin(1)
    label = np.unique(label, return_inverse=True)[1].reshape(h, w)
    return np.asarray(Image.fromarray(label.astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST)).astype(int)


def perturb(picture: np.ndarray, score: Score, method: str, samples: int = SAMPLES) -> np.ndarray:
    """The weight of every pixel's part for the answer, (h, w); negative where the part speaks against it."""
    parts = superpixels(picture)
    count = int(parts.max()) + 1
    grey = np.full_like(picture, picture.reshape(-1, 3).mean(0).astype(np.uint8))
    if count == 1:
        return np.ones(parts.shape)

    def answers(kept: np.ndarray) -> np.ndarray:
        return np.concatenate([score([np.where(row[parts][..., None] > 0, picture, grey) for row in kept[i : i + 32]]) for i in range(0, len(kept), 32)])

    rng = np.random.default_rng(SEED)
    weights = lime(answers, count, samples, rng) if method == "lime" else shap(answers, count, samples, rng)
    return weights[parts]


def lime(answers: Score, count: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    kept = rng.integers(0, 2, (samples, count))
    kept[0] = 1
    near = np.exp(-((1 - np.sqrt(kept.mean(1))) ** 2) / KERNEL**2)
    design = np.hstack([kept, np.ones((samples, 1))]) * np.sqrt(near)[:, None]
    known = answers(kept) * np.sqrt(near)
    return np.linalg.solve(design.T @ design + RIDGE * np.eye(count + 1), design.T @ known)[:-1]


def shap(answers: Score, count: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Shapley values: sizes of the kept set by the Shapley kernel, every set with its complement, and they sum to the answer."""
    sizes = np.arange(1, count)
    chance = 1 / (sizes * (count - sizes))
    kept = np.zeros((samples - samples % 2, count), dtype=int)
    for row in range(0, len(kept), 2):
        kept[row, rng.permutation(count)[: rng.choice(sizes, p=chance / chance.sum())]] = 1
        kept[row + 1] = 1 - kept[row]
    nothing, everything = answers(np.stack([np.zeros(count, dtype=int), np.ones(count, dtype=int)]))
    whole = everything - nothing
    design = kept[:, :-1] - kept[:, -1:]
    known = answers(kept) - nothing - kept[:, -1] * whole
    found = np.linalg.lstsq(design, known, rcond=None)[0]
    return np.append(found, whole - found.sum())
