"""How long an exported model takes for one image on this machine. Needs numpy."""

from __future__ import annotations

import time

import numpy as np

from .formats import Run

WARM_UP, ROUNDS, SECONDS = 3, 50, 5.0
INTERPRETED = ("coreml",)  # formats whose program is interpreted here: that takes other times than the runtime it is for


def times(run: Run, image: np.ndarray) -> dict[str, float | int]:
    """Median and 95th percentile in milliseconds, of at most 50 rounds or five seconds."""
    for _ in range(WARM_UP):
        run(image)
    taken: list[float] = []
    started = time.perf_counter()
    while len(taken) < ROUNDS and (time.perf_counter() - started < SECONDS or len(taken) < WARM_UP):
        before = time.perf_counter()
        run(image)
        taken.append(1000 * (time.perf_counter() - before))
    return {"median_ms": round(float(np.median(taken)), 3), "p95_ms": round(float(np.percentile(taken, 95)), 3), "rounds": len(taken)}
