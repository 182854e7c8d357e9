"""Position embeddings of one image size, as numbers in place of their interpolation: timm does that in every exported graph of a model that takes images of any size."""

from __future__ import annotations

from timm.models import VisionTransformer
from torch import nn


def fix(model: nn.Module, size: tuple[int, int]) -> None:
    for module in model.modules():
        if isinstance(module, VisionTransformer) and module.dynamic_img_size:
            module.set_input_size(img_size=size)
            module.dynamic_img_size = False
            module.patch_embed.flatten = True  # tokens in place of a grid, as without free sizes
