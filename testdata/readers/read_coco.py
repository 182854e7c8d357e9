"""Read prepared COCO files with pycocotools.

Standard input: a JSON list of {"name", "dir"}. Standard output: a JSON object, by
name and split, of counts, of the area of every annotation's mask, and of what an
evaluation of the ground truth against itself says.
"""

import contextlib
import json
import os
import sys

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def read(path, images):
    coco = COCO(path)
    annotations = coco.loadAnns(coco.getAnnIds())
    has_masks = all(a["segmentation"] for a in annotations)
    results = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 1.0}
        for a in annotations if not a["iscrowd"]
    ]
    evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return {
        "images": len(coco.getImgIds()),
        "annotations": len(annotations),
        "crowds": sum(a["iscrowd"] for a in annotations),
        "ids": [a["id"] for a in annotations],
        "categories": {str(c["id"]): c["name"] for c in coco.loadCats(coco.getCatIds())},
        "missing_files": [i["file_name"] for i in coco.loadImgs(coco.getImgIds())
                          if not os.path.isfile(os.path.join(images, i["file_name"]))],
        "mask_areas": [int(np.sum(coco.annToMask(a))) for a in annotations] if has_masks else None,
        "map": float(evaluation.stats[0]),
    }


def main():
    results = {}
    with contextlib.redirect_stdout(sys.stderr):
        for item in json.load(sys.stdin):
            root = item["dir"]
            results[item["name"]] = {
                split: read(os.path.join(root, "annotations", f"instances_{split}.json"), os.path.join(root, "images", split))
                for split in ("train", "val", "test")
                if os.path.exists(os.path.join(root, "annotations", f"instances_{split}.json"))
            }
    json.dump(results, sys.stdout)


main()
