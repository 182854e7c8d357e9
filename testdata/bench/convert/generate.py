"""Write the synthetic set: 118287 images, 860001 boxes, 343471 polygons.

    generate.py DIR [--images N]

The numbers are those of COCO train2017. The images are hard links to a few small
JPEGs: the conversion reads their headers, and the disk does not fill up. Three
files come out: annotations.json (Platform Format), coco.json (the same as COCO)
and images/.
"""

import argparse
import io
import json
import os
import random

from PIL import Image

BOXES_PER_IMAGE, POLYGONS_PER_IMAGE, POINTS = 860001 / 118287, 343471 / 118287, 24


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("--images", type=int, default=118287)
    args = parser.parse_args()
    rng = random.Random(1)
    os.makedirs(f"{args.dir}/images", exist_ok=True)
    seeds = []
    for size in ((640, 480), (480, 640), (640, 427), (500, 375)):
        out = io.BytesIO()
        Image.effect_noise(size, 40).convert("RGB").save(out, "JPEG", quality=40)
        seeds.append((size, out.getvalue()))
    classes = [{"id": i, "name": f"class {i}"} for i in range(1, 81)]
    images, coco_images, coco_annotations = [], [], []
    links = {}
    annotation_id = 0
    for i in range(args.images):
        (w, h), content = seeds[i % 4]
        name = f"{i:012d}.jpg"
        # A file has at most 65000 names on ext4, and every prepared folder adds as many again.
        first, used = links.get(i % 4, (None, 1000))
        path = f"{args.dir}/images/{name}"
        if used >= 1000:
            with open(path, "wb") as f:
                f.write(content)
            links[i % 4] = (path, 1)
        else:
            os.link(first, path)
            links[i % 4] = (first, used + 1)
        annotations = []
        boxes = int((i + 1) * BOXES_PER_IMAGE) - int(i * BOXES_PER_IMAGE)
        polygons = int((i + 1) * POLYGONS_PER_IMAGE) - int(i * POLYGONS_PER_IMAGE)
        for k in range(boxes):
            bw, bh = rng.uniform(8, w / 2), rng.uniform(8, h / 2)
            x, y = rng.uniform(0, w - bw), rng.uniform(0, h - bh)
            annotation_id += 1
            a = {
                "id": annotation_id, "class_id": rng.randrange(1, 81), "iscrowd": 0,
                "bbox": [round(v, 2) for v in (x, y, bw, bh)],
            }
            if k < polygons:
                ring = []
                for _ in range(POINTS):
                    ring += [round(x + rng.random() * bw, 2), round(y + rng.random() * bh, 2)]
                a["segmentation"] = [ring]
            annotations.append(a)
            coco_annotations.append({**a, "category_id": a["class_id"], "image_id": i, "area": round(bw * bh, 2),
                                     "segmentation": a.get("segmentation", [])})
        images.append({"id": i, "file_name": name, "width": w, "height": h, "annotations": annotations})
        coco_images.append({"id": i, "file_name": name, "width": w, "height": h})
    with open(f"{args.dir}/annotations.json", "w") as f:
        json.dump({"format_version": "1.0", "dataset_id": "synthetic", "classes": classes, "images": images}, f)
    os.makedirs(f"{args.dir}/coco", exist_ok=True)
    with open(f"{args.dir}/coco/instances_train.json", "w") as f:
        json.dump({"images": coco_images, "annotations": coco_annotations,
                   "categories": [{"id": c["id"], "name": c["name"]} for c in classes]}, f)


main()
