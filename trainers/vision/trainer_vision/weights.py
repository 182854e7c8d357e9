"""What became of pretrained weights: every tensor that stayed fresh is named, and only a head may stay so. Needs torch."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from torch import nn
from trainer_sdk import JobError, Platform

from .choices import say

SHOWN = 10
CURE = "Give weights of the same model, or PRETRAINED=false to start without"
UNNAMED = re.compile(r"LABEL_\d+")  # transformers' name of a class that has none


def report_weights(
    model: nn.Module, path: Path, fresh: Collection[str], head: Sequence[str], unused: Collection[str] = (), platform: Platform | None = None,
    *, in_layers: bool = True, misfits: Collection[str] = (), reason: str = "", notes: Sequence[str] = (),
) -> str:
    """Say how many tensors came from the weights, and which did not, to the platform too; a fresh tensor outside of the head ends the job.

    `head` are the prefixes of what turns features into classes, `reason` is why it is fresh. `unused` are tensors of the file that the model has no place for;
    `in_layers` says that of some names layers are counted, so that a deeper model of the same kind can be told. `misfits` are fresh tensors
    that the file has in another shape, `notes` are said after the numbers.
    """
    names = counted(model.state_dict())
    fresh = sorted(counted(fresh))
    outside = [name for name in fresh if not name.startswith(tuple(head))]
    if outside:
        missing = sorted(set(fresh) - set(misfits)) if misfits else outside
        problems = [f"{len(missing)} of its {len(names)} tensors are not in them ({listed(missing)})"] if missing else []
        problems += [f"{len(misfits)}{'' if missing else f' of its {len(names)} tensors'} have another shape there ({listed(sorted(misfits))})"] if misfits else []
        raise JobError(
            f"the weights {path} do not fit the model: {' and '.join(problems)}"
            + (f", and it has no place for {len(unused)} of theirs ({listed(sorted(unused))})" if unused else "")
            + f". {CURE}",
        )
    if in_layers and (more := deeper(unused, names)):
        raise JobError(f"the weights {path} are of a deeper model, of which this one would take only a part: it has no place for {len(more)} of their tensors ({listed(more)}). {CURE}")
    message = f"weights: {len(names) - len(fresh)} of {len(names)} tensors from {path.name}"
    message += f"; fresh: {', '.join(fresh)}" + (f" ({reason})" if reason else "") if fresh else ""
    message += f"; not used: {listed(sorted(unused))}" if unused else ""
    message = "; ".join((message, *notes))
    say(f"[trainer] {message}")
    if platform:
        platform.event("weights_loaded", message[0].upper() + message[1:], {"fresh": fresh[:SHOWN]})
    return message


def check_shapes(name: str, model: nn.Module, path: Path, others: Collection[str], head: Sequence[str]) -> None:
    """Weights of another model of the same family have the tensors of this one in other shapes: `others`. A head may have."""
    if outside := sorted(other for other in others if not other.startswith(tuple(head))):
        raise JobError(f"the weights {path} are not of {name}: {len(outside)} of its {len(counted(model.state_dict()))} tensors have other shapes, first {outside[0]}. {CURE}")


def other_classes(theirs: Sequence[str] | None, ours: Sequence[str] | None) -> str:
    """Why a head is of no use, although it may have as many outputs; empty where it is of these classes, or nothing names its classes."""
    if not theirs or ours is None or list(theirs) == list(ours) or all(UNNAMED.fullmatch(name) for name in theirs):
        return ""
    return f"its head is of the classes {listed(theirs)}"


def counted(names: Iterable[str]) -> list[str]:
    """Without the batches that a batch norm has seen, a number that older files lack and that no answer depends on."""
    return [name for name in names if not name.endswith("num_batches_tracked")]


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
