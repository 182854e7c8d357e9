"""Images read and prepared ahead of the model, in several threads; one that is broken is an answer, not the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from PIL import Image
from trainer_sdk import JobError

from .predictor import Predictor
from .samples import Sample

LARGEST_DRAWING = 1280  # pixels of the longer side


@dataclass(frozen=True)
class Loaded:
    """One image, ready for the model; or why it is not."""

    sample: Sample
    prepared: Any = None
    width: int = 0
    height: int = 0
    picture: Image.Image | None = None  # to draw on, not larger than LARGEST_DRAWING
    load_ms: float = 0
    prepare_ms: float = 0
    error: str | None = None


def load(predictor: Predictor, sample: Sample, draw: bool) -> Loaded:
    if sample.error:
        return Loaded(sample, error=sample.error)
    try:
        started = time.perf_counter()
        image = _read(predictor, sample)
        read = time.perf_counter()
        prepared = _prepared(predictor, image, sample)
        ready = time.perf_counter()
        height, width = image.shape[:2] if hasattr(image, "shape") else image.size[::-1]
        picture = None
        if draw:
            picture = predictor.picture(image)
            picture = picture.copy() if picture is image else picture
            picture.thumbnail((LARGEST_DRAWING, LARGEST_DRAWING))
        return Loaded(sample, prepared, width, height, picture, 1000 * (read - started), 1000 * (ready - read))
    except (JobError, OSError, ValueError, SyntaxError, MemoryError) as error:
        return Loaded(sample, error=reason(error).replace(str(sample.path), sample.name))


def reason(error: Exception) -> str:
    """Never empty, for an image with an error is known by it: MemoryError often says nothing."""
    return str(error) or type(error).__name__


def _read(predictor: Predictor, sample: Sample) -> Any:
    """Decoders raise whatever they like of broken bytes: cv2.error, struct.error."""
    try:
        return predictor.read(sample.path)
    except JobError:
        raise
    except Exception as error:
        raise JobError(f"the image {sample.name} cannot be read: {reason(error)}") from error


def _prepared(predictor: Predictor, image: Any, sample: Sample) -> Any:
    """One that is a pixel wide has no pixel left at the model's size: cv2.error."""
    try:
        return predictor.prepare(image)
    except (JobError, MemoryError):
        raise
    except Exception as error:
        height, width = image.shape[:2] if hasattr(image, "shape") else image.size[::-1]
        raise JobError(f"the image {sample.name} of {width} by {height} pixels cannot be prepared for the model: {reason(error)}") from error


def loaded(pool: ThreadPoolExecutor, predictor: Predictor, samples: Iterable[Sample], ahead: int, draw: bool) -> Iterator[Loaded]:
    """In the order of the samples, at most `ahead` of them in memory."""
    waiting: deque[Future[Loaded]] = deque()
    for sample in samples:
        waiting.append(pool.submit(load, predictor, sample, draw))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
