"""Every cell of the table of explanations in docs/inference.md: what it calls explained is, what it calls refused is, for
the reason that it gives.

EXPLANATIONS=all (make explanations) asks more models, and the exported file of each.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import unittest
from functools import cache
from pathlib import Path

import warm
from probe_methods import METHODS
from process import TRAINERS, environment

PROBE = Path(__file__).with_name("probe_methods.py")
ASKED = os.environ.get("EXPLANATIONS", "")
PAGE = (TRAINERS.parent / "docs" / "inference.md").read_text(encoding="utf-8")


@cache
def promised() -> dict[str, dict[str, str]]:
    """{model: {method: "yes" or the reason}}."""
    reasons = dict(re.findall(r"^- \((\w)\) (.+)$", PAGE, re.MULTILINE))
    start = PAGE.index("| model | " + " | ".join(METHODS))
    found = {}
    for line in PAGE[start:].split("\n\n", 1)[0].splitlines()[2:]:
        about, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        said = {method: cell if cell == "yes" else reasons[cell[4]] for method, cell in zip(METHODS, cells, strict=True)}
        found |= dict.fromkeys(re.findall(r"`([^`]+)`", about), said)
    return found


class Methods(unittest.TestCase):
    maxDiff = None

    def probe(self, trainer: str, package: Path, count: int, exported: int = 0, more: int = 0) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = warm.run([str(PROBE), trainer, folder], environment(None, package=package, EXPLANATIONS=ASKED), cwd=package)
        self.assertEqual(run.returncode, 0, run.stderr[-3000:])
        found = json.loads(run.stdout.splitlines()[-1])
        self.assertEqual(len(found), count + exported + (more if ASKED == "all" else 0))
        for model, outcomes in found.items():
            for method, outcome in outcomes.items():
                with self.subTest(f"{model}, {method}"):
                    said = promised()[model][method]
                    self.assertIn(said, outcome)
                    self.assertEqual(outcome == "yes", said == "yes")
                    self.assertNotIn("only after it had predicted", outcome)

    def test_ultralytics(self) -> None:
        self.probe("ultralytics", TRAINERS / "ultralytics", 3, exported=1, more=4 + 4)

    def test_timm(self) -> None:
        self.probe("timm", TRAINERS / "timm", 5, exported=2, more=1)

    def test_huggingface(self) -> None:
        self.probe("huggingface", TRAINERS / "huggingface", 6, more=2)

    def test_starters(self) -> None:
        for kind in ("plain", "torch"):
            with tempfile.TemporaryDirectory() as folder:
                for source in ("starter/common", f"starter/{kind}"):
                    shutil.copytree(TRAINERS / source, folder, dirs_exist_ok=True)
                self.probe(kind, Path(folder), 1)

    def test_the_table_has_no_model_that_nobody_asks(self) -> None:
        self.assertEqual(len(promised()), (3 + 1 + 8) + (5 + 2 + 1) + (6 + 2) + 2)


if __name__ == "__main__":
    unittest.main()
