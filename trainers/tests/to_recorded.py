"""Records what the network answers, for wrappers whose engine is not here: python to_recorded.py ROOT. Of every image a .ppm of its upright pixels, and
below ROOT/recorded/PACKAGE/IMAGE.ppm.answers the input and the outputs."""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "vision/trainer_vision/deploy/runtimes/python"))
from model_wrapper import ModelWrapper, read_image


def record(model: ModelWrapper, source: Path, target: Path) -> None:
    pixels = read_image(source)
    target.with_suffix(".ppm").write_bytes(b"P6\n%d %d\n255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes())
    image, _ = model.prepare(pixels)
    outputs = {
        spec["name"]: {"shape": list(array.shape), "values": array.astype(float).ravel().tolist(), "whole": array.dtype.kind in "iub"}
        for spec, array in zip(model.metadata["outputs"], map(np.asarray, model.engine.run(image)), strict=True)
    }
    Path(f"{target.with_suffix('.ppm')}.answers").write_text(json.dumps({"input": image.astype(float).ravel().tolist(), "outputs": outputs}))


def main(root: Path) -> None:
    for folder in sorted((root / "onnx").iterdir()):
        model, out = ModelWrapper(folder), root / "recorded" / folder.name
        out.mkdir(parents=True)
        (out / "metadata.json").write_bytes((folder / "metadata.json").read_bytes())
        for source in sorted((root / "images").iterdir()):
            record(model, source, out / source.name)


main(Path(sys.argv[1]))
