"""Which found object is which labelled one, and what the others are mistakes of. Needs numpy.

Matching is by boxes, best overlap of the most confident first, as COCO does it. The kinds of error are
those of TIDE (Bolya et al. 2020): classification, localisation, both, duplicate, background, missed.
"""

from __future__ import annotations

import numpy as np

from .predictor import Objects

SAME = 0.5  # overlap (IoU) from which a box is the labelled one
NEAR = 0.1  # below it is something else
KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")


def overlaps(found: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """The IoU of every found box with every labelled one."""
    if not len(found) or not len(labelled):
        return np.zeros((len(found), len(labelled)))
    shared, area = _shared(found, labelled), _area(found)[:, None] + _area(labelled)[None]
    return shared / np.maximum(area - shared, 1e-9)


def in_crowds(found: Objects, crowds: Objects) -> np.ndarray:
    """Of every found object whether half of its box is in a crowd of its class: COCO's overlap with a crowd is the share of the found box."""
    inside = _shared(found.boxes, crowds.boxes) >= SAME * _area(found.boxes)[:, None]
    return (inside & (found.classes[:, None] == crowds.classes[None])).any(1)


def _shared(found: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """The area that every found box shares with every labelled one."""
    low = np.maximum(found[:, None, :2], labelled[None, :, :2])
    high = np.minimum(found[:, None, 2:], labelled[None, :, 2:])
    return (high - low).clip(0).prod(2)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def outlines(objects: Objects) -> list[np.ndarray]:
    """Of every object its outline; of one that has none its box."""
    boxes = [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]) for x1, y1, x2, y2 in objects.boxes.tolist()]
    return boxes if objects.polygons is None else [ring if len(ring) >= 3 else box for ring, box in zip(objects.polygons, boxes, strict=True)]


def match(found: Objects, labelled: Objects, overlap: np.ndarray, same_class: bool = True) -> np.ndarray:
    """For every found object the index of its labelled one, or -1; each labelled one is given away once."""
    taken = np.zeros(len(labelled), dtype=bool)
    result = np.full(len(found), -1)
    for i in np.argsort(-found.scores, kind="stable"):
        allowed = ~taken & (overlap[i] >= SAME)
        if same_class:
            allowed &= labelled.classes == found.classes[i]
        if allowed.any():
            best = int(np.where(allowed, overlap[i], -1).argmax())
            result[i], taken[best] = best, True
    return result


def confusion(found: Objects, labelled: Objects, overlap: np.ndarray, classes: int) -> np.ndarray:
    """Rows are true classes, columns found ones; the last of both is the background."""
    matrix = np.zeros((classes + 1, classes + 1), dtype=int)
    pairs = match(found, labelled, overlap, same_class=False)
    for i, j in enumerate(pairs):
        matrix[labelled.classes[j] if j >= 0 else classes, found.classes[i]] += 1
    missed = np.setdiff1d(np.arange(len(labelled)), pairs)
    np.add.at(matrix, (labelled.classes[missed], classes), 1)
    return matrix


def errors(found: Objects, labelled: Objects, overlap: np.ndarray, pairs: np.ndarray) -> tuple[list[str | None], list[int]]:
    """The kind of error of every found object (None: it is right), and the labelled objects that were missed."""
    kinds: list[str | None] = [None] * len(found)
    explained = set(pairs[pairs >= 0].tolist())
    for i in np.flatnonzero(pairs < 0):
        own = labelled.classes == found.classes[i]
        kinds[i], about = _kind(np.where(own, overlap[i], 0), np.where(own, 0, overlap[i]))
        if kinds[i] in {"classification", "localisation"}:
            explained.add(about)
    return kinds, [j for j in range(len(labelled)) if j not in explained]


def _kind(own: np.ndarray, other: np.ndarray) -> tuple[str, int]:
    """From the overlaps with labelled objects of its class and of other classes."""
    best, wrong = own.max(initial=0), other.max(initial=0)
    if best >= SAME:
        return "duplicate", int(own.argmax())
    if wrong >= SAME:
        return "classification", int(other.argmax())
    if best >= NEAR:
        return "localisation", int(own.argmax())
    if wrong >= NEAR:
        return "both", int(other.argmax())
    return "background", -1
