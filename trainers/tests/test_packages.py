"""Every trainer package has what section 9 of the contract asks for, and what it claims is so."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import warm
from process import TRAINERS, environment

PACKAGES = ("ultralytics", "timm", "huggingface")
REQUIRED = ("train.py", "config_schema.py", "capabilities.json", "validate_capabilities.py", "requirements.txt", "Dockerfile")
OPTIONAL = ("export.py", "predict.py", "README.md")
SEEDS = {
    "ultralytics": {"yolo11n", "yolo11s", "yolo11m", "yolo11l", "yolo11x", "yolo11n-seg", "yolo11s-seg", "yolo11n-pose", "yolo11s-pose", "yolo11n-cls", "yolo_world_v2_s", "yolo_world_v2_m", "sam2_t", "sam2_s"},
    "timm": {"resnet18", "resnet50", "efficientnet_b0", "efficientnet_b1", "vit_base_patch16_224", "convnext_tiny"},
    "huggingface": {"clip-vit-base-patch32", "dino-vits16", "vit-base-patch16-224"},
}


def python(package: str, script: str) -> subprocess.CompletedProcess[str]:
    return warm.run([str(TRAINERS / package / script)], environment(None))


def versions_in(text: str) -> dict[str, str]:
    """Names and versions of a requirements file, a lock or constraints."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE))


class Packages(unittest.TestCase):
    def test_every_file_is_there(self) -> None:
        for package in PACKAGES:
            with self.subTest(package):
                self.assertEqual([name for name in REQUIRED + OPTIONAL if not (TRAINERS / package / name).is_file()], [])

    def test_requirements_are_pinned_and_equal(self) -> None:
        versions: dict[str, str] = {}
        for package in (*PACKAGES, "tests"):
            for line in (TRAINERS / package / "requirements.txt").read_text().splitlines():
                if line and not line.startswith("#"):
                    self.assertRegex(line, r"^[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+]*$")
                    name, version = line.split("==")
                    self.assertEqual(versions.setdefault(name, version), version, name)

    def test_locks_hold_what_is_required_with_its_hashes(self) -> None:
        constraints = versions_in((TRAINERS / "constraints.txt").read_text())
        for package in PACKAGES:
            required = versions_in((TRAINERS / package / "requirements.txt").read_text())
            lock = (TRAINERS / package / "requirements.lock").read_text()
            locked, cpu = versions_in(lock), versions_in((TRAINERS / package / "requirements.cpu.lock").read_text())
            with self.subTest(package):
                self.assertLessEqual(required.items(), locked.items(), "run make lock")
                self.assertLessEqual(locked.items(), constraints.items(), "run make lock")
                self.assertLessEqual(cpu.items(), locked.items())
                self.assertEqual({name for name in locked if name not in cpu and not name.startswith(("cuda-", "nvidia-"))}, {"torch", "torchvision", "triton"})
                self.assertEqual(lock.count(" \\\n    --hash=sha256:") >= len(locked), True)
                of_torch = (TRAINERS / "torch.cpu.lock").read_text()
                self.assertEqual(versions_in(of_torch), {name: required[name] for name in ("torch", "torchvision")}, "torch.cpu.lock has hashes of other versions")
                self.assertEqual(len(re.findall(r"^    --hash=sha256:[0-9a-f]{64}", of_torch, re.MULTILINE)), 3)

    def test_bases_are_pinned_by_digest_and_equal(self) -> None:
        pinned = re.compile(r"^ARG (GO_IMAGE|PYTHON_IMAGE)=([a-z]+:[a-z0-9.-]+@sha256:[0-9a-f]{64})$")
        bases: dict[str, str] = {}
        for path in (TRAINERS.parent / "images/Dockerfile", TRAINERS / "starter/common/Dockerfile", *(TRAINERS / package / "Dockerfile" for package in PACKAGES)):
            lines = [line for line in path.read_text().splitlines() if re.match("ARG (GO|PYTHON)_IMAGE=", line)]
            self.assertTrue(lines, path)
            for line in lines:
                self.assertRegex(line, pinned, path)
                name, base = line.removeprefix("ARG ").split("=")
                self.assertEqual(bases.setdefault(name, base), base, path)

    def test_readme_is_one_page(self) -> None:
        for package in PACKAGES:
            self.assertLess(len((TRAINERS / package / "README.md").read_text().splitlines()), 60, package)

    def test_trainers_do_nothing_that_the_agent_does(self) -> None:
        for path in [p for package in (*PACKAGES, "sdk", "vision") for p in (TRAINERS / package).rglob("*.py")]:
            imported = {n.split(".")[0] for node in ast.walk(ast.parse(path.read_text())) for n in names(node)}
            self.assertEqual(imported & {"boto3", "botocore", "requests", "httpx"}, set(), path)

    def test_schema_is_valid(self) -> None:
        kinds = {"int": int, "float": (int, float), "bool": bool, "select": object, "string": str}
        for package in PACKAGES:
            schema = json.loads(python(package, "config_schema.py").stdout)
            self.assertEqual((schema["framework"], set(schema["presets"])), (package, {"easy", "medium", "advanced"}))
            self.assertEqual(len({f["name"] for f in schema["fields"]}), len(schema["fields"]))
            for field in schema["fields"]:
                with self.subTest(package=package, field=field["name"]):
                    self.assertLessEqual({"name", "type", "default", "description", "group", "required", "advanced"}, set(field))
                    self.assertIsInstance(field["default"], kinds[field["type"]])
                    self.assertEqual("options" in field, field["type"] == "select")
                    self.assertIn(field["default"], field.get("options", [field["default"]]))
                    if field["type"] in {"int", "float"}:
                        self.assertTrue(field["min"] <= field["default"] <= field["max"])
                        self.assertGreater(field["step"], 0)
            defaults = {field["name"]: field["default"] for field in schema["fields"]}
            sets = [defaults, *({**defaults, **preset} for preset in schema["presets"].values())]
            self.assertEqual([one for i, one in enumerate(sets) if one in sets[:i]], [], package)  # a preset that is another one, or nothing

    def test_a_package_for_a_hub_has_what_it_imports(self) -> None:
        for package in PACKAGES:
            with self.subTest(package), tempfile.TemporaryDirectory() as folder:
                whole = Path(folder) / package
                out = subprocess.run([sys.executable, str(TRAINERS / "package.py"), package, str(whole)], capture_output=True, text=True, check=True).stdout
                self.assertIn(f"trainer-agent publish {whole}", out)
                self.assertEqual(set(REQUIRED) - {p.name for p in whole.iterdir()}, set())
                ours = {name for file in whole.rglob("*.py") for node in ast.walk(ast.parse(file.read_text())) for name in names(node) if name.startswith("trainer_")}
                self.assertIn("trainer_sdk", {name.split(".")[0] for name in ours})
                missing = [name for name in ours if not ((path := whole.joinpath(*name.split("."))).is_dir() or path.with_suffix(".py").is_file())]
                self.assertEqual(missing, [])

    def test_every_listed_model_can_be_built(self) -> None:
        for package in PACKAGES:
            with self.subTest(package):
                listed = {m["model_name"] for m in json.loads((TRAINERS / package / "capabilities.json").read_text())["models"]}
                self.assertEqual(SEEDS[package] - listed, set())
                found = python(package, "validate_capabilities.py")
                result = json.loads(found.stdout)
                self.assertEqual((found.returncode, result["passed"], result["issues"]), (0, True, []), found.stderr[-2000:])

    def test_a_wrong_capability_is_found(self) -> None:
        probe = (
            "import json, pathlib, validate_capabilities as v, trainer_vision.capabilities as t\n"
            f"d = json.loads(pathlib.Path({str(TRAINERS / 'timm/capabilities.json')!r}).read_text())\n"
            "d['models'][0]['model_name'] = 'resnet_18'; d['models'][1]['parameters']['min'] = 1.0; print(json.dumps(t.check_models(d, v.build)))\n"
            "d['models'][0]['task_types'] = ['tracking']; d['models'][2]['model_name'] = d['models'][1]['model_name']; print(json.dumps(t.check_form(d)))\n"
            "del d['version']; d['models'][0]['supported'] = 'yes'; print(json.dumps(t.check_form(d)))"
        )
        out = warm.run(["-c", probe], environment(None, package=TRAINERS / "timm"), check=True).stdout.splitlines()
        self.assertRegex(out[0], r"resnet_18 cannot be built.*resnet50: min is 1.0, measured 25.56")
        self.assertRegex(out[1], r"resnet50 is listed 2 times.*names the task tracking")
        self.assertRegex(out[2], r"version is missing.*supported is missing or not a bool")


def names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


if __name__ == "__main__":
    unittest.main()
