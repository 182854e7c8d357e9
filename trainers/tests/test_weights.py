"""Files of weights as people have them: what is read of them, and what is refused with its reason."""

from __future__ import annotations

import argparse
import tempfile
import unittest
import zipfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from trainer_sdk import JobError
from trainer_vision.weight_files import damaged, read_tensors, read_weights
from trainer_vision.weights import check_shapes, other_classes, report_weights


def network(layers: int = 2) -> nn.Module:
    return nn.ModuleDict({"body": nn.Sequential(*(nn.Linear(3, 3) for _ in range(layers))), "head": nn.Linear(3, 2)})


class Weights(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.tensors = network().state_dict()

    def write(self, name: str, content: Any) -> Path:
        path = self.folder / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif name.endswith(".safetensors"):
            save_file(content, path)
        else:
            torch.save(content, path)
        return path

    def test_a_record_that_is_not_what_was_saved_is_named(self) -> None:
        """torch.load reads it without a word, and the numbers are others."""
        path = self.write("whole.pt", {"a": torch.ones(5000), "b": torch.ones(5000)})
        self.assertIsNone(damaged(path))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0x55
        path = self.write("damaged.pt", bytes(content))
        torch.load(path, weights_only=True)
        self.assertIn("/data/", damaged(path) or "")
        self.assertIsNone(damaged(self.write("none.pt", b"text")))
        torch.serialization.set_crc32_options(False)
        try:
            self.assertIsNone(damaged(self.write("unsummed.pt", {"a": torch.ones(5000)})))
        finally:
            torch.serialization.set_crc32_options(True)

    def test_tensors_are_found_however_they_were_saved(self) -> None:
        other = {name: torch.zeros_like(value) for name, value in self.tensors.items()}
        for name, content in {
            "plain.pt": self.tensors, "plain.safetensors": self.tensors,
            **{f"{key}.pt": {"epoch": 3, key: self.tensors} for key in ("state_dict", "model_state_dict", "model", "ema")},
            "average first.pt": {"model": other, "model_ema": self.tensors, "optimizer": {}},
            "as timm saves a training.pt": {"state_dict": self.tensors, "args": argparse.Namespace(model="resnet18", lr=0.1), "arch": "resnet18"},
            "average in a module.pt": {"model": other, "ema": {"module": self.tensors, "updates": 3}},
            **{f"no average {i}.pt": {"ema": ema, "model": self.tensors} for i, ema in enumerate((None, {}, {"decay": 0.9, "shadow": []}))},
            **{f"{prefix}pt": {prefix + key: value for key, value in self.tensors.items()} for prefix in ("module.", "_orig_mod.", "_orig_mod.module.")},
        }.items():
            with self.subTest(name):
                read = read_tensors(self.write(name, content))
                self.assertTrue(read.keys() == self.tensors.keys() and all(torch.equal(read[key], self.tensors[key]) for key in read))

    def test_what_trainings_keep_beside_the_tensors_does_no_harm(self) -> None:
        tensors, arguments = {"a": torch.zeros(2)}, argparse.Namespace(lr=0.1, output=Path("runs"))
        beside = {"scalar": np.float64(0.5), "count": np.int64(3), "array": np.zeros(2), "dtype": np.dtype("float32"), "args": arguments, "when": datetime.now(UTC), "found": defaultdict(list), "ids": frozenset({1}), "kind": int}
        for name, value in beside.items():
            for zipped in (True, False):
                torch.save({"state_dict": tensors, "beside": value}, self.folder / "beside.pt", _use_new_zipfile_serialization=zipped)
                self.assertEqual(list(read_tensors(self.folder / "beside.pt")), ["a"], name)
        torch.save({"state_dict": tensors, "beside": print}, self.folder / "beside.pt")
        with self.assertRaisesRegex(JobError, "hold Python objects"):
            read_tensors(self.folder / "beside.pt")

    def test_half_precision_starts_as_full_precision(self) -> None:
        for kind in (torch.float16, torch.bfloat16):
            read = read_tensors(self.write("half.safetensors", {name: value.to(kind) for name, value in self.tensors.items()}))
            self.assertEqual({value.dtype for value in read.values()}, {torch.float32})

    def test_what_is_no_file_of_weights_is_named(self) -> None:
        whole = self.write("whole.pt", self.tensors).read_bytes()
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 4\n"
        for message, name, content in (
            ("are an empty file", "empty.pt", b""),
            ("are a pointer of Git LFS", "pointer.pt", pointer),
            ("are a pointer of Git LFS", "pointer.safetensors", pointer),
            ("are a page (HTML or XML)", "page.pt", b"<!DOCTYPE html><title>404</title>"),
            ("are cut short, or no file of PyTorch", "text.pt", b"hello, this is text"),
            ("are cut short, or no file of PyTorch", "cut.pt", whole[: len(whole) // 2]),
            ("are cut short, or no file of safetensors", "text.safetensors", b"hello"),
            ("hold Python objects", "module.pt", network()),
            ("hold other things than tensors", "list.pt", [1, 2]),
            ("hold other things than tensors", "net.pt", {"net": self.tensors}),
            ("are NaN, first in body.0.weight", "nan.pt", {name: torch.full_like(value, float("nan")) for name, value in self.tensors.items()}),
        ):
            with self.subTest(name), self.assertRaises(JobError) as refused:
                read_tensors(self.write(name, content))
            self.assertIn(message, str(refused.exception))
        for name in ("text.pt", "cut.pt"):  # KeyError and RuntimeError, which tell nobody anything
            with self.assertRaisesRegex(JobError, "are cut short, or no file of PyTorch; this trainer takes a state_dict as .pt, .pth or .safetensors$"):
                read_tensors(self.folder / name)
        with zipfile.ZipFile(self.folder / "saved.zip", "w") as archive:
            archive.writestr("vit/config.json", "{}")
        with self.assertRaisesRegex(JobError, "saved.zip are a zip of Hugging Face's save_pretrained; this trainer takes a state_dict as .pt, .pth or .safetensors"):
            read_tensors(self.folder / "saved.zip")
        with self.assertRaisesRegex(JobError, "are a folder: give the file in it"):
            read_tensors(self.folder)
        with self.assertRaisesRegex(JobError, "absent.pt do not exist"):
            read_tensors(self.folder / "absent.pt")

    def test_a_head_is_of_the_classes_that_its_file_names(self) -> None:
        path = self.write("named.pt", {"state_dict": self.tensors, "class_names": ["red", "blue"]})
        self.assertEqual(read_weights(path).class_names, ["red", "blue"])
        self.assertIsNone(read_weights(self.write("plain.pt", self.tensors)).class_names)
        for theirs, ours, told in (
            (["red", "blue"], ["red", "blue"], ""), (["red", "blue"], ["blue", "red"], "its head is of the classes red, blue"),
            ([str(i) for i in range(12)], ["a"], "its head is of the classes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"),
            (["LABEL_0", "LABEL_1"], ["a", "b"], ""), (None, ["a"], ""), (["red"], None, ""),
        ):
            self.assertEqual(other_classes(theirs, ours), told)

    def test_tensors_in_other_shapes_are_of_another_model(self) -> None:
        check_shapes("tiny", network(), Path("/w.pt"), ["head.weight"], ["head"])
        with self.assertRaisesRegex(JobError, r"^the weights /w.pt are not of tiny: 1 of its 6 tensors have other shapes, first body.0.weight\. Give weights of the same model"):
            check_shapes("tiny", network(), Path("/w.pt"), ["head.weight", "body.0.weight"], ["head"])

    def test_a_norms_count_of_batches_is_no_tensor_that_is_missed(self) -> None:
        norm = nn.BatchNorm1d(2)
        self.assertEqual(report_weights(norm, Path("old.pt"), ["num_batches_tracked"], []), "weights: 4 of 4 tensors from old.pt")
        with self.assertRaisesRegex(JobError, r"4 of its 4 tensors are not in them"):
            report_weights(norm, Path("none.pt"), list(norm.state_dict()), [])

    def test_a_part_of_a_deeper_model_is_not_taken_for_the_model(self) -> None:
        """All tensors of a ResNet-18 are in a ResNet-34."""
        unused = set(network(4).state_dict()) - set(self.tensors)
        with self.assertRaisesRegex(JobError, r"of a deeper model, .* no place for 4 of their tensors \(body.2.bias, body.2.weight, "):
            report_weights(network(), Path("deep.pt"), [], ["head"], unused)
        told = report_weights(network(), Path("text.pt"), [], ["head"], ["text_tower.0.weight"])
        self.assertEqual(told, "weights: 6 of 6 tensors from text.pt; not used: text_tower.0.weight")


if __name__ == "__main__":
    unittest.main()
