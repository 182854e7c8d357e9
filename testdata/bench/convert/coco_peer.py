"""Ultralytics' own convert_coco, for a comparison of speed.

    coco_peer.py COCO_FOLDER OUT [--polygons]
"""

import os
import sys

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")

from ultralytics.data.converter import convert_coco

convert_coco(labels_dir=sys.argv[1], save_dir=sys.argv[2], use_segments="--polygons" in sys.argv, cls91to80=False)
