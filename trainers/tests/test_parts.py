"""What a whole training hides, asked of the trainers' own parts: each in one process, without a training to the end."""

from __future__ import annotations

import json
import math
import tempfile
import unittest
from pathlib import Path
from typing import Any

import fixtures
import warm
from process import TRAINERS, environment


def asked(folder: str, *arguments: str) -> dict[str, Any]:
    probe = str(Path(__file__).with_name(f"probe_parts_{folder}.py"))
    found = warm.run([probe, *arguments], environment(None, package=TRAINERS / folder))
    assert found.returncode == 0, found.stderr[-3000:]
    return json.loads(found.stdout.splitlines()[-1])


class Parts(unittest.TestCase):
    def test_timm(self) -> None:
        with tempfile.TemporaryDirectory() as root:
            told = asked("timm", str(fixtures.write_imagefolder(Path(root), train=6, val=3)))
        self.assertGreater(told["norms"], 0)
        self.assertEqual(told["changed"], ["fc.bias", "fc.weight"])  # neither a weight of the frozen backbone nor a statistic of its batch norms
        self.assertAlmostEqual(told["val_loss"], told["images"], 4)  # the true cross-entropy, though the training's is smoothed

    def test_huggingface(self) -> None:
        told = asked("huggingface")
        (scale, projection), clamped = told["temperature"]
        self.assertEqual((scale, projection), (0.0, 0.01))  # CLIP's temperature is no weight
        self.assertAlmostEqual(clamped, math.log(100), 5)
        trained, frozen = told["changed"]
        self.assertGreater(trained, 0)
        self.assertEqual(frozen, 0)  # batch norms of a frozen backbone keep their statistics
        self.assertAlmostEqual(*told["losses"], 4)


if __name__ == "__main__":
    unittest.main()
