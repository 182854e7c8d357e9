"""Writes report.html of a test run with mistakes of every kind to the folder that it is given, for the test in a browser."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from trainer_vision.inference import Objects
from trainer_vision.inference.measure import measure_of
from trainer_vision.inference.report import write_report

out = Path(sys.argv[1])
names = ["circle", "a very long name of a class " * 4, "고양이", "never seen"]
rng = np.random.default_rng(1)
measure = measure_of("object_detection", names, 0.5)
(out / "visualizations").mkdir(parents=True)
shown = []
for i in range(12):
    corner = rng.uniform(0, 60, (3, 2))
    boxes = np.hstack([corner, corner + rng.uniform(10, 40, (3, 2))])
    truth = Objects(boxes, np.array([0, 1, 2]), np.ones(3))
    found = Objects(boxes + rng.normal(0, 3, boxes.shape), rng.integers(0, 3, 3), rng.uniform(0.1, 1, 3))
    measure.add(f"{i}.jpg", found.take(np.flatnonzero(found.scores >= 0.5)), found, truth, (100, 100))
    drawing = f"visualizations/{i}.jpg" if i else None  # of the first the drawing is on another machine
    Image.new("RGB", (100, 100), (20 * i, 80, 80)).save(out / f"visualizations/{i}.jpg")
    shown.append({"name": f"s3://bucket/a/rather/long/{'name' * 8}-{i}.jpg", "drawing": drawing, "note": "missed"})
facts = {"job": "job-1", "images": 12, "checkpoint": "best.pt", "xai_method": None}
write_report(out / "report.html", "Test run job-1", facts, measure.result(), names, shown)
