"""Import this before ultralytics: no network, no trackers, no writes outside the run.

The environment is set here because Ultralytics reads it while it is imported. Trackers (MLflow,
W&B, ClearML, comet, the vendor's platform) are switched off at the one function that adds them.
"""

from __future__ import annotations

import os
import tempfile

os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_AUTOINSTALL"] = "false"
# A checkpoint is a pickle, which calls what it names: only Ultralytics' and torch's own parts of models are loaded (docs/decisions/0269).
os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "true")
# Settings and fonts go to a folder of this process: the home folder may be read-only.
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="ultralytics-"))
os.environ.setdefault("MPLBACKEND", "Agg")
_threads_asked = "OMP_NUM_THREADS" in os.environ

from ultralytics.data import utils as data_utils
from ultralytics.utils import SETTINGS, callbacks, checks, plotting

SETTINGS.update({"sync": False})
callbacks.add_integration_callbacks = lambda _instance: None
# The font is only for plots; the default one stands in where it would be downloaded.
checks.check_font = plotting.check_font = data_utils.check_font = lambda _font="Arial.ttf": None
# Ultralytics gives PyTorch one thread, by a variable that only a user should have set: a model that predicts takes all processors (use_cpus).
if not _threads_asked:
    os.environ.pop("OMP_NUM_THREADS", None)
