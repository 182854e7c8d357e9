"""The audit: without a network what OSV's data says of a pinned version, by range and by list; with one what pip-audit says, and what it cannot say."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

from process import TRAINERS


def entry(name: str, **affected: object) -> dict:
    return {"id": "PYSEC-1", "aliases": ["CVE-1"], "summary": "made up", "affected": [{"package": {"ecosystem": "PyPI", "name": name}, **affected}]}


def span(*events: dict[str, str]) -> dict[str, object]:
    return {"ranges": [{"type": "ECOSYSTEM", "events": list(events)}]}


class Audit(unittest.TestCase):
    def audit(self, *entries: dict) -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "all.zip"
            with zipfile.ZipFile(path, "w") as archive:
                for number, one in enumerate(entries):
                    archive.writestr(f"{number}.json", json.dumps(one))
            done = subprocess.run([sys.executable, str(TRAINERS / "audit.py"), str(path)], capture_output=True, text=True)
            return done.returncode, done.stdout + done.stderr

    def test_an_affected_version_is_found_in_every_lock_that_has_it(self) -> None:
        code, said = self.audit(entry("Pillow", **span({"introduced": "0"}, {"fixed": "99"})), entry("nobody", versions=["1"]))
        self.assertEqual((code, said.count("pillow")), (1, 3), said)
        self.assertIn("PYSEC-1 CVE-1: made up", said)

    def test_ranges(self) -> None:
        spec = importlib.util.spec_from_file_location("audit", TRAINERS / "audit.py")
        assert spec and spec.loader
        audit = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(audit)
        for events, affected in (
            ([{"introduced": "0"}], True), ([{"introduced": "2.0"}], False), ([{"introduced": "0"}, {"fixed": "1.5"}], False),
            ([{"introduced": "0"}, {"fixed": "1.6"}], True), ([{"introduced": "0"}, {"last_affected": "1.5"}], True),
            ([{"introduced": "0"}, {"last_affected": "1.4"}], False), ([{"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "1.5rc1"}], True),
        ):
            with self.subTest(events):
                self.assertEqual(audit.affects(entry("a", **span(*events)), "a", "1.5"), affected)
        self.assertTrue(audit.affects(entry("a", versions=["1.5"]), "a", "1.5"))
        self.assertFalse(audit.affects(entry("b", versions=["1.5"]), "a", "1.5"))

    def test_records_of_go_become_the_folder_that_govulncheck_reads(self) -> None:
        record = {"id": "GO-1", "modified": "2026-01-02T00:00:00Z", "aliases": ["CVE-1"], "affected": [
            {"package": {"ecosystem": "Go", "name": "example.com/a"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.2.0"}]}]},
            {"package": {"ecosystem": "Go", "name": "example.com/b"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "1.0.0"}]}]},
        ]}
        with tempfile.TemporaryDirectory() as folder:
            records, out = Path(folder) / "osv", Path(folder) / "db"
            records.mkdir()
            command = [sys.executable, str(TRAINERS.parent / "release/govulndb.py"), str(out), str(records)]
            self.assertNotEqual(subprocess.run(command, capture_output=True).returncode, 0)
            (records / "GO-1.json").write_text(json.dumps(record))
            subprocess.run(command, capture_output=True, check=True)
            self.assertEqual(json.loads((out / "ID/GO-1.json").read_text()), record)
            self.assertEqual(json.loads((out / "index/db.json").read_text()), {"modified": "2026-01-02T00:00:00Z"})
            self.assertEqual([(m["path"], m["vulns"][0]["fixed"]) for m in json.loads((out / "index/modules.json").read_text())], [("example.com/a", "1.2.0"), ("example.com/b", "")])

    def test_nothing_read_is_not_nothing_found(self) -> None:
        self.assertEqual(self.audit()[0], 2)
        self.assertEqual(self.audit(entry("nobody", versions=["1"]))[0], 0)
        self.assertEqual(subprocess.run([sys.executable, str(TRAINERS / "audit.py"), __file__], capture_output=True).returncode, 2)

    def online(self, *answers: str) -> tuple[int, str]:
        """The audit of as many locks, with a pip-audit that gives these answers, one a line."""
        with tempfile.TemporaryDirectory() as folder:
            python, program = Path(folder) / "python", Path(folder) / "pip-audit"
            python.symlink_to(sys.executable)
            program.write_text('#!/bin/sh\nfor lock; do :; done\ncat "$lock"\nexit 1\n')
            program.chmod(0o755)
            locks = [Path(folder) / f"{number}.lock" for number in range(len(answers))]
            for lock, answer in zip(locks, answers, strict=True):
                lock.write_text(answer)
            done = subprocess.run([str(python), str(TRAINERS / "pipaudit.py"), *map(str, locks)], capture_output=True, text=True)
            return done.returncode, done.stdout + done.stderr

    def test_a_package_that_the_index_lacks_is_named(self) -> None:
        fine, unknown = {"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "not found"}
        bad = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": []}]}
        code, said = self.online(json.dumps({"dependencies": [fine, unknown]}))
        self.assertEqual(code, 0, said)
        self.assertIn("warning: b was not audited: not found", said)
        self.assertIn("1 pinned packages were audited: no weaknesses are known of them; 1 were not audited", said)
        code, said = self.online(json.dumps({"dependencies": [fine, unknown]}), json.dumps({"dependencies": [bad]}))
        self.assertEqual(code, 1, said)
        self.assertIn("c 2 has PYSEC-1 CVE-1; fixed in no version", said)
        for nothing in (json.dumps({"dependencies": [unknown]}), "", "no JSON", json.dumps({"dependencies": []})):
            code, said = self.online(json.dumps({"dependencies": [fine]}), nothing)
            self.assertEqual(code, 2, said)
            self.assertIn("1.lock could be audited, so nothing is known of them", said)


if __name__ == "__main__":
    unittest.main()
