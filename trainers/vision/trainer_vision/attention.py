"""Whether a torch classifier's attention explains its answer, and how it is read. Needs torch.

Rollout follows what reaches the class token, layer by layer. It means something only if every layer's attention is
among all tokens of the picture (Swin has it within windows, one picture being a batch of them), and if the answer is made
from the class token (SigLIP's is not, and where patches are averaged the first token is a patch or one that is thrown away).
Both are measured on an example, since neither timm nor transformers says it in the same way for every model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .inference.explain.gradients import NO_ATTENTION, Attention

Recorder = Callable[[], Any]  # a context, whose list holds each layer's attention (pictures, heads, tokens, tokens) after a forward

NOT_GLOBAL = "this model's attention is not among all patches of the picture"
NO_CLASS_TOKEN = "this model's answer does not come from one class token"


def attention_of(model: nn.Module, logits: Callable[[torch.Tensor], torch.Tensor], size: int, device: torch.device) -> Attention | str:
    """How the attention is read, or why there is none to show."""
    found = _of_transformers(model) or _of_timm(model)
    if found is None:
        return NO_ATTENTION
    recorded, patch_side = found
    example = torch.linspace(-1, 1, 3 * size * size, device=device).view(1, 3, size, size)  # of zeros nothing may be left to be found
    with torch.enable_grad(), recorded() as layers:
        answer = logits(example)[0, 0]
    if not layers:
        return NO_ATTENTION
    side = patch_side(size)
    if side is None or any(layer.shape[0] != 1 or layer.shape[2:] != layers[0].shape[2:] for layer in layers) or not _holds_grid(layers[0], side):
        return NOT_GLOBAL
    if layers[0].shape[-1] == side * side or not _comes_from_first_token(answer, layers[-1]):
        return NO_CLASS_TOKEN

    @torch.no_grad()
    def read(prepared: torch.Tensor) -> Sequence[torch.Tensor]:
        with recorded() as layers:
            logits(prepared[None].float().to(device))
        return [layer[0] for layer in layers]

    return Attention(read, side)


def _holds_grid(layer: torch.Tensor, side: int) -> bool:
    """Whether every token looks at every one, and there is one for each patch."""
    return layer.ndim == 4 and layer.shape[2] == layer.shape[3] >= side * side


def _comes_from_first_token(answer: torch.Tensor, last: torch.Tensor) -> bool:
    """Whether of all tokens that look around in the last layer only the first one's finding has an effect on the answer."""
    (gradient,) = torch.autograd.grad(answer, last, allow_unused=True)
    return gradient is not None and gradient.abs().sum((0, 1, 3)).nonzero().flatten().tolist() == [0]


def _of_transformers(model: nn.Module) -> tuple[Recorder, Callable[[int], int | None]] | None:
    whole: Any = next((m for m in model.modules() if hasattr(m, "set_attn_implementation")), None)
    if whole is None:
        return None
    config = getattr(whole.config, "vision_config", whole.config)
    if not hasattr(config, "num_attention_heads"):
        return None
    whole.set_attn_implementation("eager")  # the others keep no attention
    tower = getattr(whole, "vision_model", None) or whole.base_model

    def ask(_module: nn.Module, arguments: Any, named: dict[str, Any]) -> Any:
        return arguments, {**named, "output_attentions": True}

    @contextmanager
    def recorded() -> Iterator[list[torch.Tensor]]:
        layers: list[torch.Tensor] = []
        hooks = [
            tower.register_forward_pre_hook(ask, with_kwargs=True),
            tower.register_forward_hook(lambda _m, _a, output: layers.extend(getattr(output, "attentions", None) or ())),
        ]
        try:
            yield layers
        finally:
            for hook in hooks:
                hook.remove()

    patch = getattr(config, "patch_size", None)
    return recorded, lambda size: size // patch if isinstance(patch, int) else None


def _of_timm(model: nn.Module) -> tuple[Recorder, Callable[[int], int | None]] | None:
    blocks: list[Any] = [m for m in model.modules() if hasattr(m, "fused_attn") and hasattr(m, "attn_drop")]
    if not blocks:
        return None
    for block in blocks:
        block.fused_attn = False  # the fused kernel keeps no attention

    @contextmanager
    def recorded() -> Iterator[list[torch.Tensor]]:
        layers: list[torch.Tensor] = []
        hooks = [block.attn_drop.register_forward_hook(lambda _m, _a, output: layers.append(output)) for block in blocks]
        try:
            yield layers
        finally:
            for hook in hooks:
                hook.remove()

    grid = getattr(getattr(model, "patch_embed", None), "grid_size", None)
    return recorded, lambda _size: grid[0] if grid and grid[0] == grid[1] else None
