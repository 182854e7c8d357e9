"""The classes of a detector's or classifier's head: weights of other classes bring everything but the layers that score them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from trainer_vision.weights import listed

BRANCHES = ("cv3", "one2one_cv3")  # of a detector's head: one for every size of its maps, the last layer of each scores the classes


@dataclass(frozen=True)
class Head:
    """The head of a checkpoint beside the classes that are to be trained, both in index order."""

    theirs: Sequence[str]
    ours: Sequence[str]

    @property
    def same(self) -> bool:
        """In the same order; the agent's word before what Ultralytics takes for an ImageNet code is no part of a name."""
        theirs, ours = list(map(_plain, self.theirs)), list(map(_plain, self.ours))
        return theirs[1:] == ours[1:] and (not ours or (bool(theirs) and theirs[0] in {ours[0], f"class {ours[0]}"}))

    def shared(self) -> list[str]:
        known = set() if self._unnamed() else set(map(_plain, self.theirs))
        return [name for name in self.ours if _plain(name) in known]

    def why(self, by_name: Sequence[str]) -> str:
        """Why its scoring layers are not taken as they are."""
        of = "its head names no classes" if self._unnamed() else f"its head is of the classes {listed(self.theirs)}"
        return of + (f"; {listed(by_name)} came from it by name" if by_name else "")

    def _unnamed(self) -> bool:
        """A model that was never trained has numbers in place of names."""
        return list(self.theirs) == [str(i) for i in range(len(self.theirs))]


def in_order(names: Mapping[int, str] | Sequence[str]) -> list[str]:
    return [names[i] for i in sorted(names)] if isinstance(names, Mapping) else list(names)


def scoring(model: Any) -> list[str]:
    """The tensors that score classes, by name. The rest of a head finds boxes, outlines and points, which are of no class."""
    last = len(model.model) - 1
    head = model.model[last]
    layers = [f"{name}.{i}.{len(branch) - 1}" for name in BRANCHES for i, branch in enumerate(getattr(head, name, None) or ())]
    if (semantic := getattr(getattr(head, "proto", None), "semseg", None)) is not None:
        layers.append(f"proto.semseg.{len(semantic) - 1}")
    if isinstance(getattr(head, "linear", None), nn.Linear):
        layers.append("linear")
    known = model.state_dict()
    return [name for layer in layers for name in (f"model.{last}.{layer}.weight", f"model.{last}.{layer}.bias") if name in known]


def leave_out(weights: nn.Module, names: Sequence[str]) -> None:
    """From here on the module's state_dict is without these tensors, so nobody takes them over."""

    def without(_module: nn.Module, state: dict[str, Any], _prefix: str, _metadata: Any) -> None:
        for name in names:
            state.pop(name, None)

    weights.register_state_dict_post_hook(without)


def _plain(name: str) -> str:
    return str(name).strip().lower()
