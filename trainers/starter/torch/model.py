"""The model: a small convolutional network in PyTorch. Replace it with yours.

train.py, predict.py, export.py and validate_capabilities.py use build, load, save, predict,
probabilities, parameters and write_onnx, and know nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from trainer_sdk import JobError
from trainer_vision.classifier_explain import differentiable as explain_with
from trainer_vision.images import read_image

WIDTHS = {"my-trainer-s": 16, "my-trainer-m": 48}  # MODEL_NAME → channels of the first layer
REFERENCE_SIZE = 64


class Network(nn.Module):
    """Images (n, 3, size, size) of RGB from 0 to 1 → logits (n, classes)."""

    def __init__(self, name: str, class_names: list[str], image_size: int) -> None:
        super().__init__()
        self.name, self.class_names, self.image_size = name, class_names, image_size
        layers: list[nn.Module] = []
        channels, width = 3, WIDTHS[name]
        for _ in range(3):
            layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels, width = width, 2 * width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, len(class_names))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(images - 0.5).mean((2, 3)))


def build(name: str, class_names: list[str], image_size: int, seed: int) -> Network:
    """A model with fresh weights."""
    if name not in WIDTHS:
        raise JobError(f"MODEL_NAME {name!r} is not one of {', '.join(WIDTHS)}")
    torch.manual_seed(seed)
    return Network(name, class_names, image_size)


def parameters(network: Network) -> int:
    return sum(p.numel() for p in network.parameters())


def device(name: str) -> torch.device:
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise JobError(f"DEVICE is {name}, but torch sees no GPU; set DEVICE=cpu or give the container a GPU")
    return torch.device(name)


def read(path: Path, image_size: int) -> torch.Tensor:
    """An image as (3, size, size), RGB from 0 to 1. One that cannot be read ends the job, it is never left out."""
    return prepare(read_image(path), image_size)


def prepare(picture: Image.Image, image_size: int) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture.resize((image_size, image_size)), dtype=np.float32).transpose(2, 0, 1) / 255)


@torch.inference_mode()
def probabilities(network: Network, images: np.ndarray) -> np.ndarray:
    return network.eval()(torch.from_numpy(images)).softmax(1).numpy()


@torch.inference_mode()
def predict(network: Network, batch: Sequence[torch.Tensor], device_name: str) -> np.ndarray:
    """The probability of every class (columns) for prepared images (rows)."""
    where = device(device_name)
    return network.to(where).eval()(torch.stack(list(batch)).to(where)).softmax(1).cpu().numpy()


def differentiable(network: Network, device_name: str) -> Callable[[], Any]:
    """For XAI_METHOD gradcam: the layer is the last one with a map, unless XAI_TARGET_LAYERS names another."""
    return lambda: explain_with(network, lambda image: prepare(image, network.image_size), [0.0] * 3, [1.0] * 3, network.image_size, device(device_name))


def save(network: Network, path: Path, **state: Any) -> None:
    """Write a checkpoint at once: the agent sees the whole file or none. Only tensors and plain values are stored."""
    about = {"name": network.name, "class_names": network.class_names, "image_size": network.image_size}
    partial = path.with_name(f".{path.name}.tmp")
    torch.save({"completed_epochs": state.get("epoch", 0), **about, "state_dict": network.state_dict(), **state}, partial)
    partial.replace(path)


def load(path: Path) -> Network:
    return load_state(path)[0]


def load_state(path: Path) -> tuple[Network, dict[str, Any]]:
    """A checkpoint's model, and what else was saved with it."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = Network(state.pop("name"), state.pop("class_names"), state.pop("image_size"))
        network.load_state_dict(state.pop("state_dict"))
    except Exception as error:
        raise JobError(f"{path} is not a checkpoint of this trainer: {error}") from error
    return network, state


def write_onnx(network: Network, path: Path) -> None:
    whole = nn.Sequential(network, nn.Softmax(1)).eval()
    image = torch.zeros(1, 3, network.image_size, network.image_size)
    torch.onnx.export(whole, (image,), path, dynamo=True, external_data=False, input_names=["images"], output_names=["output"], verbose=False)
