"""The model: one hidden layer over a small picture, in NumPy. Replace it with yours.

train.py, predict.py, export.py and validate_capabilities.py use build, load, save, predict,
probabilities, parameters and write_onnx, and know nothing else of it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from trainer_sdk import JobError
from trainer_vision.images import read_image

GRID = 8  # an image is seen as GRID × GRID cells of mean colour
HIDDEN = {"my-trainer-s": 16, "my-trainer-m": 64}  # MODEL_NAME → width of the hidden layer
REFERENCE_SIZE = 64


class Network:
    """Images (n, 3, size, size) of RGB from 0 to 1 → probabilities (n, classes)."""

    def __init__(self, name: str, class_names: list[str], image_size: int, weights: dict[str, np.ndarray]) -> None:
        self.name, self.class_names, self.image_size, self.weights = name, class_names, image_size, weights
        self.velocity = {key: np.zeros_like(value) for key, value in weights.items()}

    def forward(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        n, size = len(images), self.image_size
        cells = images.reshape(n, 3, GRID, size // GRID, GRID, size // GRID).mean((3, 5)).reshape(n, -1) - 0.5
        hidden = np.maximum(cells @ self.weights["w1"] + self.weights["b1"], 0)
        logits = hidden @ self.weights["w2"] + self.weights["b2"]
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        return cells, hidden, exponents / exponents.sum(1, keepdims=True)

    def step(self, images: np.ndarray, labels: np.ndarray, rate: float, momentum: float, decay: float) -> float:
        """One step of gradient descent; returns the loss before it."""
        cells, hidden, scores = self.forward(images)
        loss = cross_entropy(scores, labels)
        error = scores.copy()
        error[np.arange(len(labels)), labels] -= 1
        error /= len(labels)
        back = (error @ self.weights["w2"].T) * (hidden > 0)
        gradients = {"w1": cells.T @ back, "b1": back.sum(0), "w2": hidden.T @ error, "b2": error.sum(0)}
        for key, gradient in gradients.items():
            self.velocity[key] = momentum * self.velocity[key] - rate * (gradient + decay * self.weights[key])
            self.weights[key] += self.velocity[key]
        return loss


def build(name: str, class_names: list[str], image_size: int, seed: int) -> Network:
    """A model with fresh weights."""
    if name not in HIDDEN:
        raise JobError(f"MODEL_NAME {name!r} is not one of {', '.join(HIDDEN)}")
    if image_size % GRID:
        raise JobError(f"IMAGE_SIZE {image_size} is not a multiple of {GRID}")
    rng = np.random.default_rng(seed)
    inputs, hidden, classes = 3 * GRID * GRID, HIDDEN[name], len(class_names)
    return Network(name, class_names, image_size, {
        "w1": rng.normal(0, (2 / inputs) ** 0.5, (inputs, hidden)), "b1": np.zeros(hidden),
        "w2": rng.normal(0, (2 / hidden) ** 0.5, (hidden, classes)), "b2": np.zeros(classes),
    })


def parameters(network: Network) -> int:
    return sum(value.size for value in network.weights.values())


def read(path: Path, image_size: int) -> np.ndarray:
    """An image as (3, size, size), RGB from 0 to 1. One that cannot be read ends the job, it is never left out."""
    return prepare(read_image(path), image_size)


def prepare(picture: Image.Image, image_size: int) -> np.ndarray:
    return np.asarray(picture.resize((image_size, image_size)), dtype=np.float32).transpose(2, 0, 1) / 255


def probabilities(network: Network, images: np.ndarray) -> np.ndarray:
    return network.forward(images)[2]


def predict(network: Network, batch: Sequence[np.ndarray], _device: str) -> np.ndarray:
    """The probability of every class (columns) for prepared images (rows)."""
    return probabilities(network, np.stack(batch))


def differentiable(_network: Network, _device: str) -> None:
    """NumPy has no gradients: XAI_METHOD lime and shap explain this model, gradcam is refused."""


def cross_entropy(scores: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(np.maximum(scores[np.arange(len(labels)), labels], 1e-12)).mean())


def save(network: Network, path: Path, **state: Any) -> None:
    """Write a checkpoint at once: the agent sees the whole file or none."""
    about = {"name": network.name, "class_names": network.class_names, "image_size": network.image_size, **state}
    arrays = {**network.weights, **{f"velocity.{key}": value for key, value in network.velocity.items()}}
    partial = path.with_name(f".{path.name}.tmp")
    with partial.open("wb") as file:
        np.savez(file, about=np.array(json.dumps(about)), **arrays)
    partial.replace(path)


def load(path: Path) -> Network:
    return load_state(path)[0]


def load_state(path: Path) -> tuple[Network, dict[str, Any]]:
    """A checkpoint's model, and what else was saved with it."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        about = json.loads(str(arrays.pop("about")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise JobError(f"{path} is not a checkpoint of this trainer: {error}") from error
    network = Network(about.pop("name"), about.pop("class_names"), about.pop("image_size"), {k: v for k, v in arrays.items() if "." not in k})
    network.velocity = {key: arrays[f"velocity.{key}"] for key in network.weights}
    return network, about


def write_onnx(network: Network, path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    size, cell = network.image_size, network.image_size // GRID
    constants = {**network.weights, "half": np.array(0.5)}
    nodes = [
        helper.make_node("AveragePool", ["images"], ["pooled"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Sub", ["pooled", "half"], ["centred"]),
        helper.make_node("Flatten", ["centred"], ["cells"]),
        helper.make_node("Gemm", ["cells", "w1", "b1"], ["before"]),
        helper.make_node("Relu", ["before"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["output"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "my-trainer",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, len(network.class_names)])],
        [numpy_helper.from_array(np.asarray(value, dtype=np.float32), key) for key, value in constants.items()],
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(whole)
    onnx.save(whole, path)
