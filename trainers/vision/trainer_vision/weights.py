"""What became of pretrained weights: every tensor that stayed fresh is named, and only a head may stay so. Needs torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from torch import nn
from trainer_sdk import JobError, Platform

SHOWN = 10


def report_weights(model: nn.Module, path: Path, fresh: Collection[str], head: Sequence[str], unused: Collection[str] = (), platform: Platform | None = None, *, in_layers: bool = True) -> str:
    """Say how many tensors came from the weights, and which did not, to the platform too; a fresh tensor outside of the head ends the job.

    `head` are the prefixes of what turns features into classes. `unused` are tensors of the file that the model has no place for; `in_layers` says that of some
    names layers are counted, so that a deeper model of the same kind can be told.
    """
    names = list(model.state_dict())
    outside = sorted(name for name in fresh if not name.startswith(tuple(head)))
    if outside:
        raise JobError(
            f"the weights {path} do not fit the model: {len(outside)} of its {len(names)} tensors are not in them ({listed(outside)})"
            + (f", and it has no place for {len(unused)} of theirs ({listed(sorted(unused))})" if unused else "")
            + ". Give weights of the same model, or PRETRAINED=false to start without",
        )
    if in_layers and (more := deeper(unused, names)):
        raise JobError(f"the weights {path} are of a deeper model, of which this one would take only a part: it has no place for {len(more)} of their tensors ({listed(more)}). Give weights of the same model, or PRETRAINED=false to start without")
    message = f"weights: {len(names) - len(fresh)} of {len(names)} tensors from {path.name}"
    message += f"; fresh: {', '.join(sorted(fresh))}" if fresh else ""
    message += f"; not used: {listed(sorted(unused))}" if unused else ""
    print(f"[trainer] {message}", flush=True)
    if platform:
        platform.event("weights_loaded", message[0].upper() + message[1:], {"fresh": sorted(fresh)[:SHOWN]})
    return message


def deeper(unused: Collection[str], names: Collection[str]) -> list[str]:
    """Tensors of further layers of the kinds that the model has: of a ResNet-34 all but these would fit a ResNet-18."""
    layers = {pattern for name in names for pattern in _one_number_open(name)}
    return sorted(name for name in unused if not layers.isdisjoint(_one_number_open(name)))


def _one_number_open(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join([*parts[:i], "#", *parts[i + 1 :]]) for i, part in enumerate(parts) if part.isdecimal()]


def beginning(error: Exception, lines: int = 3) -> str:
    """Of what frameworks say of weights that do not fit, a line for every tensor, the first few."""
    every = [line.strip() for line in str(error).splitlines()]
    return " ".join(every[:lines]) + (f" … ({len(every) - lines} more lines)" if len(every) > lines else "")


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
