"""The event files that are made a run of Weights & Biases: read as the agent writes them, and never trusted."""

from __future__ import annotations

import random
import struct
import tempfile
import unittest
from pathlib import Path

from trainer_sdk.integrations.wandb import epochs


def field(number: int, kind: int, value: bytes) -> bytes:
    return bytes([number << 3 | kind]) + (bytes([len(value)]) if kind == 2 else b"") + value


def event(step: int, name: str, value: float) -> bytes:
    scalar = field(1, 2, name.encode()) + field(2, 5, struct.pack("<f", value))
    return field(1, 1, struct.pack("<d", 1.0)) + field(2, 0, bytes([step])) + field(5, 2, field(1, 2, scalar))


def record(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + b"crc1" + data + b"crc2"


class EventFiles(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / f"events.out.tfevents.{name}"
        path.write_bytes(data)
        return path

    def test_what_a_later_run_says_of_an_epoch_counts(self) -> None:
        version = record(field(1, 1, struct.pack("<d", 1.0)) + field(3, 2, b"brain.Event:2"))
        self.write("1.agent", version + record(event(1, "loss", 1.0)) + record(event(2, "loss", 0.5)))
        self.write("2.agent", version + record(event(2, "loss", 0.25)) + record(event(2, "accuracy", 0.5)) + record(event(3, "loss", 0.125))[:-9])
        self.assertEqual(epochs([self.folder]), {1: {"loss": 1.0}, 2: {"loss": 0.25, "accuracy": 0.5}})

    def test_nothing_is_said_of_nothing(self) -> None:
        for paths in ([self.folder], [self.write("empty", b"")]):
            with self.assertRaisesRegex(SystemExit, "no metrics"):
                epochs(paths)

    def test_a_large_record_hides_none_behind_it(self) -> None:
        self.write("1", record(event(1, "loss", 1.0)) + record(b"\0" * (1 << 21)) + record(event(2, "loss", 0.5)))
        self.assertEqual(epochs([self.folder]), {1: {"loss": 1.0}, 2: {"loss": 0.5}})

    def test_a_folder_that_is_not_there_is_said(self) -> None:
        with self.assertRaisesRegex(SystemExit, "gone cannot be read: No such file or directory"):
            epochs([self.folder / "gone"])

    def test_whatever_the_bytes_are_a_sentence_says_so(self) -> None:
        chance = random.Random(1)
        good = record(event(1, "loss", 1.0))
        for _ in range(2000):
            data = bytearray(good)
            for _ in range(chance.randint(1, 4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                epochs([self.write("x", bytes(data))])
            except SystemExit as said:
                self.assertIsInstance(said.code, str)


if __name__ == "__main__":
    unittest.main()
