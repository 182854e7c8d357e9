"""How far an exported model's answers are from the trainer's own, on the same images. Needs numpy.

Objects are compared after suppression, matched by class and overlap: raw rows of equal meaning may stand in another order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ..inference import Mask, Objects, Predictor
from ..inference.matching import match, overlaps


@dataclass(frozen=True)
class Tolerance:
    """What counts as the same answer."""

    pixels: float  # of a box's corner or a keypoint, in pixels of the model's input
    score: float
    probability: float
    other_boxes: float = 0.0  # the share of objects that may have another box


# Most of it is the last bit of a resized image, which no two libraries round alike: a
# classifier that is sure changes a probability by 0.003 for it.
EXACT = Tolerance(0.1, 5e-3, 1e-2)
# Of boxes with nearly the same score suppression keeps the one with the larger, which the last bits of half precision decide.
HALF = Tolerance(0.5, 1e-2, 1e-2, other_boxes=0.1)
MASKS = 0.9  # the overlap (IoU) of the same object's two masks, at the median; exports of one model come to 0.99 and more
SAME_BOX = 0.01  # pixels
FAINT = 0.01  # a score that a model gives to nothing; with a threshold of 0 there are hundreds of such boxes
CANDIDATES = 100  # boxes of an image that are compared, whatever their scores, where no object is found


@dataclass
class Parity:
    """Worst differences over the images, and how many objects were compared. What was not measured is None."""

    images: int = 0
    objects: int = 0
    unmatched: int = 0  # found by one of the two only, and not at the threshold's edge
    candidates: int = 0  # boxes below the threshold that were compared
    pixels: float | None = None
    score: float | None = None
    probability: float | None = None
    pixel_agreement: float | None = None  # of masks of classes: the smallest share of pixels of one class in both
    places: list[float] = field(default_factory=list)  # how far apart each object's two boxes are, with their keypoints, in pixels
    outlines: list[float] = field(default_factory=list)  # the overlap (IoU) of each object's two masks
    seen: set[int] = field(default_factory=set)  # classes of the original's maps

    @property
    def mask_overlap(self) -> float | None:
        """The median."""
        return float(np.median(self.outlines)) if self.outlines else None

    def describe(self, finds: bool) -> dict[str, Any]:
        """`finds`: whether the model finds objects or classes of pixels."""
        numbers = asdict(self)
        del numbers["places"], numbers["outlines"], numbers["seen"]
        return {**numbers, "mask_overlap": self.mask_overlap, "note": self.note() if finds else None}

    def note(self) -> str | None:
        """What the numbers do not show, in words."""
        if self.pixel_agreement is not None:
            return None if len(self.seen) > 1 else f"every pixel of {self.images} images has one and the same class: that both models say so proves nothing about the other classes"
        if self.objects:
            return None
        nothing = f"no object was found by both models on {self.images} images"
        if not self.candidates:
            return f"{nothing}: nothing is proven about boxes"
        return f"{nothing}. In their place {self.candidates} boxes below the confidence threshold were compared with PyTorch's; what chooses among them is not proven"

    def nonsense(self) -> str | None:
        """What no precision explains."""
        return None if all(math.isfinite(value or 0) for value in (self.pixels, self.score, self.probability)) else "it answers with NaN"

    def displaced(self, allowed: Tolerance) -> float | None:
        """How far apart boxes are, without the objects that may have another one."""
        places = sorted(self.places)
        few = math.floor(len(places) * allowed.other_boxes)
        return places[-1 - few] if few and math.isfinite(self.pixels or 0) else self.pixels

    def fault(self, allowed: Tolerance) -> str | None:
        """What is too far apart, in words."""
        if self.unmatched:
            return f"{self.unmatched} objects were found by one of the two models only"
        for name, value, most in (("pixels", self.displaced(allowed), allowed.pixels), ("of a score or an angle", self.score, allowed.score), ("of a probability", self.probability, allowed.probability)):
            if value is not None and not value <= most:
                return f"they differ by {value:.4g} {name}, more than {most}"
        if self.mask_overlap is not None and self.mask_overlap < MASKS:
            return f"their masks overlap by {self.mask_overlap:.2f} only, less than {MASKS}"
        agreement = 1.0 if self.pixel_agreement is None else self.pixel_agreement
        return None if agreement >= 0.99 else f"only {agreement:.1%} of an image's pixels have one class in both"


def answers(model: Predictor, images: Sequence[Image.Image]) -> list[Any]:
    return [answer(model, image) for image in images]


def answer(model: Predictor, image: Image.Image) -> Any:
    """With the pixels of masks, which a predictor tells where it is measured: the outline of a mask in several pieces is another one in every framework."""
    raw = model.infer([model.prepare(model.from_picture(image))])
    shown = model.decode(raw, [image.size], False)[0]
    if not isinstance(shown, Objects) or shown.polygons is None or shown.pixels is not None:
        return shown
    return with_pixels(shown, model.decode(raw, [image.size], True)[0])


def with_pixels(shown: Objects, every: Objects) -> Objects:
    """The objects that are shown, with the pixels that they have among all. One that is not among them leaves all without."""
    if every.pixels is None:
        return shown
    places = [np.flatnonzero((every.classes == index) & (np.abs(every.boxes - box) < SAME_BOX).all(1)) for box, index in zip(shown.boxes, shown.classes, strict=True)]
    return replace(shown, pixels=[every.pixels[int(place[0])] for place in places]) if all(map(len, places)) else shown


def compare(original: Sequence[Any], exported: Sequence[Any], images: Sequence[Image.Image], side: int, threshold: float, edge: float) -> Parity:
    """`side` is the longer one of the model's input; within `edge` of the threshold an object may be missing in one."""
    parity = Parity(images=len(images))
    for truth, found, image in zip(original, exported, images, strict=True):
        if isinstance(truth, Objects):
            truth, found = visible(truth), visible(found)
            scale = min(1.0, side / max(image.size))
            objects(parity, truth, found, scale, threshold + edge)
            parity.outlines += masks(truth, found, scale, image.size)
        elif isinstance(truth, Mask):
            parity.seen.update(np.unique(truth.classes).tolist())
            agreement = float((truth.classes == found.classes).mean())
            parity.pixel_agreement = agreement if parity.pixel_agreement is None else min(parity.pixel_agreement, agreement)
            parity.score = parity.score if found.finite else math.inf
        else:
            parity.probability = worse(parity.probability, np.abs(truth - found))
    return parity


def visible(answer: Objects) -> Objects:
    return answer.take(np.flatnonzero(~(answer.scores <= FAINT)))  # NaN is not faint


def objects(parity: Parity, truth: Objects, found: Objects, scale: float, sure: float) -> None:
    pairs = match(found, truth, overlaps(found.boxes, truth.boxes))
    alone = [*found.scores[pairs < 0], *np.delete(truth.scores, pairs[pairs >= 0])]
    parity.unmatched += sum(score > sure for score in alone)
    parity.score, parity.pixels = numbers(parity.score, found.scores), numbers(parity.pixels, found.boxes)  # of any object, paired or not
    a, b = np.flatnonzero(pairs >= 0), pairs[pairs >= 0]
    parity.objects += len(a)
    parity.score = worse(parity.score, np.abs(found.scores[a] - truth.scores[b]))
    apart = np.abs(found.boxes[a] - truth.boxes[b]).max(1)
    if found.keypoints is not None and truth.keypoints is not None:
        apart = np.maximum(apart, np.abs(found.keypoints[a, :, :2] - truth.keypoints[b, :, :2]).max((1, 2)))
    parity.places += (scale * apart).tolist()
    parity.pixels = worse(parity.pixels, scale * apart)


def masks(truth: Objects, found: Objects, scale: float, size: tuple[int, int]) -> list[float]:
    """The overlap of each object's two masks: of their pixels where both have them, else of what their outlines enclose."""
    if truth.pixels is not None and found.pixels is not None:
        return [overlap(truth.pixels[i], found.pixels[j]) for i, j in paired(truth, found)]
    if truth.polygons is None or found.polygons is None:
        return []
    small = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    pairs = [(painted(truth.polygons[i] * scale, small), painted(found.polygons[j] * scale, small)) for i, j in paired(truth, found)]
    return [float((one & other).sum() / (one | other).sum()) for one, other in pairs if (one | other).any()]


def overlap(one: Any, other: Any) -> float:
    from faster_coco_eval.core import mask  # it made the runs

    return float(mask.iou([one], [other], [0])[0, 0])


def paired(truth: Objects, found: Objects) -> list[tuple[int, int]]:
    """Which objects are the same in both."""
    return [(int(j), i) for i, j in enumerate(match(found, truth, overlaps(found.boxes, truth.boxes))) if j >= 0]


def painted(outline: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The pixels of an object, of (width, height); none of an outline without three corners."""
    canvas = Image.new("1", size)
    if len(outline) > 2:
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in outline.tolist()], fill=1)
    return np.asarray(canvas)


def raw(parity: Parity, truth: np.ndarray, found: np.ndarray, classes: int, threshold: float, edge: float) -> None:
    """Of an answer that nobody has suppressed yet, (4 + classes + extra, n): every box that is sure, with what rides along."""
    best, other = (one[4 : 4 + classes].max(0) for one in (truth, found))
    sure = best > threshold
    parity.images += 1
    parity.objects += int((sure & (other > threshold)).sum())
    parity.candidates += int((~sure).sum())
    parity.unmatched += int(((np.maximum(best, other) > threshold + edge) & (np.minimum(best, other) <= threshold)).sum())
    apart = np.abs(truth - found)
    parity.pixels = worse(parity.pixels, apart[:4])
    parity.score = worse(worse(parity.score, apart[4 : 4 + classes]), apart[4 + classes :, sure])


def candidates(parity: Parity, truth: np.ndarray, found: np.ndarray, classes: int, keypoints: tuple[int, int] | None) -> None:
    """The surest boxes of such an answer, however little that is."""
    best = truth[4 : 4 + classes].max(0)
    surest = np.argsort(-best, kind="stable")[:CANDIDATES]
    apart = np.abs(truth - found)[:, surest]
    parity.candidates += len(surest)
    parity.pixels = worse(parity.pixels, apart[:4])
    parity.score = worse(parity.score, apart[4 : 4 + classes])
    if keypoints:
        parity.pixels = worse(parity.pixels, apart[4 + classes :].reshape(*keypoints, -1)[:, :2])


def rows(parity: Parity, truth: np.ndarray, found: np.ndarray, threshold: float, edge: float) -> None:
    """Of an end-to-end head, (n, 6 + extra), best first: the rows that are sure."""
    ours, theirs = (one[one[:, 4] > threshold] for one in (truth, found))
    both = min(len(ours), len(theirs))
    alone = [*ours[both:], *theirs[both:]]
    apart = np.abs(ours[:both] - theirs[:both])
    parity.images += 1
    parity.objects += both
    parity.unmatched += sum(row[4] > threshold + edge for row in alone) + int((apart[:, 5] > 0).sum())
    parity.pixels = worse(parity.pixels, apart[:, :4])
    parity.score = worse(worse(parity.score, apart[:, 4]), apart[:, 6:])


def worse(before: float | None, values: np.ndarray) -> float | None:
    """NaN is the worst there is; of no values nothing is measured."""
    if not values.size:
        return before
    now = float(values.max())
    return math.inf if math.isnan(now) else max(before or 0.0, now)


def numbers(before: float | None, values: np.ndarray) -> float | None:
    """A difference, which is the worst there is if one of the values is no number."""
    return math.inf if np.isnan(values).any() else before
