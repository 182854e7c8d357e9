"""A training's metrics as a run of Weights & Biases, made of the event files that the agent leaves.

    AGENT_TENSORBOARD=true trainer-agent run -- ...       # logs/job-{id}/tensorboard/ in the bucket
    python -m trainer_sdk.integrations.wandb logs/job-7f3a/tensorboard --id job-7f3a

Needs the package wandb. The run is made offline, below `--dir`, and `wandb sync`
brings it to a server; with WANDB_MODE=online it goes there at once. Every epoch is
a row, as in MLflow: what a later run of the job said of an epoch counts.
"""

from __future__ import annotations

import argparse
import os
import struct
from collections.abc import Iterator
from pathlib import Path

MAX_RECORD = 1 << 20  # bytes; the agent's have a few hundred
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types of Protocol Buffers


def records(data: bytes) -> Iterator[bytes]:
    """The records of a TFRecord file; one that was torn by a crash ends it. Large ones are pictures, and passed over."""
    at = 0
    while at + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        start, at = at + 12, at + 16 + length
        if at > len(data):
            return
        if length <= MAX_RECORD:
            yield data[start : start + length]


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, at, shift = value | (byte & 0x7F) << shift, at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The numbered fields of a message; fixed ones as their bytes."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = varint(message, at)
            yield number, value
            continue
        size = {FIXED64: 8, FIXED32: 4}.get(kind, 0)
        if kind == BYTES:
            size, at = varint(message, at)
        elif not size:
            raise ValueError(f"a field of wire type {kind}")
        if at + size > len(message):
            raise ValueError("a field is longer than its message")
        yield number, message[at : at + size]
        at += size


def scalars(event: bytes) -> tuple[int, dict[str, float]]:
    """The step of an Event (tensorflow/core/util/event.proto), and the scalars of its summary."""
    step = 0
    found: dict[str, float] = {}
    for number, value in fields(event):
        if number == 2 and isinstance(value, int):
            step = value
        if number == 5 and isinstance(value, bytes):
            for one in (dict(fields(part)) for inner, part in fields(value) if inner == 1 and isinstance(part, bytes)):
                name, scalar = one.get(1), one.get(2)
                if isinstance(name, bytes) and isinstance(scalar, bytes) and len(scalar) == 4:
                    found[name.decode("utf-8", "replace")] = struct.unpack("<f", scalar)[0]
    return step, found


def epochs(paths: list[Path]) -> dict[int, dict[str, float]]:
    """What the files say of each epoch, in order; of one that was trained twice the later file counts."""
    files = [file for path in paths for file in (sorted(path.glob("events.out.tfevents.*")) if path.is_dir() else [path])]
    rows: dict[int, dict[str, float]] = {}
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise SystemExit(f"{file} cannot be read: {error.strerror}") from None
        for record in records(data):
            try:
                step, values = scalars(record)
            except (ValueError, IndexError) as error:
                raise SystemExit(f"{file} is no event file of TensorBoard: {error}") from None
            if values:
                rows.setdefault(step, {}).update(values)
    if not rows:
        raise SystemExit(f"there are no metrics in {', '.join(map(str, paths))}: give event files, or their folder")
    return dict(sorted(rows.items()))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trainer_sdk.integrations.wandb", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE|DIR")
    parser.add_argument("--project", help="WANDB_PROJECT if it is absent")
    parser.add_argument("--id", help="id and name of the run: of the job, so that a second time continues it")
    parser.add_argument("--dir", default=".", help="where the folder wandb/ is made")
    args = parser.parse_args()
    rows = epochs(args.paths)
    try:
        import wandb
    except ImportError:
        raise SystemExit("the package wandb is not installed: pip install wandb") from None
    run = wandb.init(project=args.project, id=args.id, name=args.id, resume="allow" if args.id else None, dir=args.dir, mode=os.environ.get("WANDB_MODE", "offline"))
    run.define_metric("*", step_metric="epoch")
    for epoch, values in rows.items():
        run.log({"epoch": epoch, **values})
    run.finish()
    print(f"{len(rows)} epochs are in {run.dir}")


if __name__ == "__main__":
    main()
