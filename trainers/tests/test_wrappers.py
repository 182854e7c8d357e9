"""Wrappers of exported models in four languages, compiled and run: on images of every kind they answer what the frameworks answer."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from collections.abc import Sequence
from pathlib import Path

import warm
from process import TRAINERS, environment
from trainer_vision.deploy import package, triton

TESTS = Path(__file__).resolve().parent
SOURCES = package.SOURCES
TOOLS = TRAINERS.parent / ".tools" / "wrappers"
RUNTIMES = TOOLS / "venv" / "bin" / "python"  # with onnxruntime, openvino and litert, and without a framework
EXAMPLE = SOURCES / "python" / "example.py"

sys.path.insert(0, str(SOURCES / "python"))
from model_wrapper import WrapperError, checksum, compare, from_runs, runs


def run(*command: object, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=cwd, env={**env, **more}, timeout=600)


def setUpModule() -> None:
    """Packages of every kind and images of every kind, made once."""
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    WrapperTest.root = Path(folder.name)
    made = warm.run([TESTS / "blobs.py", folder.name], environment(None, package=TRAINERS / "ultralytics"))
    if made.returncode:
        raise AssertionError(made.stderr[-3000:])


class WrapperTest(unittest.TestCase):
    root: Path

    @property
    def images(self) -> list[Path]:
        return sorted((self.root / "images").iterdir())

    def tools(self, *programs: str) -> None:
        """Skip where a person's machine lacks a compiler or the fetched runtimes; fail in CI."""
        missing = [p for p in programs if shutil.which(p) is None] + ([] if any(TOOLS.glob(".ready-*")) else ["the runtimes (make .tools/wrappers)"])
        if missing and os.environ.get("CI"):
            self.fail(f"not there: {missing}")
        if missing:
            self.skipTest(f"not there: {missing}")

    def openvino_models(self) -> None:
        made = run(RUNTIMES, TESTS / "to_openvino.py", self.root)
        self.assertEqual(made.returncode, 0, made.stderr[-2000:])

    def tflite_models(self) -> None:
        """Packages of the models that litert-torch wrote once from blobs.py (segment, pose, cropped); its converter is a gigabyte."""
        for model in sorted((TESTS / "wrappers").glob("*.tflite")):
            source, target = self.root / "onnx" / model.stem, self.root / "tflite" / model.stem
            if target.exists():
                continue
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("model.onnx"))
            shutil.copyfile(model, target / "model.tflite")
            metadata = json.loads((target / "metadata.json").read_text())
            metadata["model"] |= {"file": "model.tflite", "format": "tflite", "sha256": checksum(model)}
            (target / "metadata.json").write_text(json.dumps(metadata))

    def assert_answers(self, kind: str, command: Sequence[object], **more: str) -> None:
        """Every package of a format answers every image as expected, and passes its own selftest."""
        for folder in sorted((self.root / kind).iterdir()):
            expected = json.loads((folder / "expected.json").read_text())
            found = run(*command, *self.images, "--model", folder, **more)
            self.assertEqual(found.returncode, 0, f"{folder.name}: {found.stderr[-2000:]}")
            answers = [json.loads(line) for line in found.stdout.splitlines()]
            self.assertEqual([Path(a["image"]).name for a in answers], [p.name for p in self.images])
            for answer in answers:
                with self.subTest(kind=kind, package=folder.name, image=Path(answer["image"]).name):
                    self.assertEqual(compare(expected[Path(answer["image"]).name], answer), [])
            tested = run(*command, "--selftest", "--model", folder, **more)
            self.assertEqual((tested.returncode, "passed" in tested.stdout), (0, True), tested.stdout + tested.stderr)
        self.assert_selftest_can_fail(folder, command, **more)
        found = run(*command, self.images[0], TESTS / "blobs.py", self.images[1], "--model", folder, **more)  # one of them is no image
        self.assertEqual((found.returncode, len(found.stdout.splitlines())), (1, 2), found.stderr[-2000:])
        self.assertIn("blobs.py", found.stderr)

    def assert_selftest_can_fail(self, folder: Path, command: Sequence[object], **more: str) -> None:
        broken = self.root / "broken"
        shutil.copytree(folder, broken)
        self.addCleanup(shutil.rmtree, broken)
        answer = json.loads((broken / "golden/answer.json").read_text())
        if "probabilities" in answer:
            answer["probabilities"] = answer["probabilities"][::-1]
        else:
            answer["objects"][0]["bbox"][0] += 1
        (broken / "golden/answer.json").write_text(json.dumps(answer))
        tested = run(*command, "--selftest", "--model", broken, **more)
        self.assertEqual((tested.returncode, "differs" in tested.stderr), (1, True), tested.stdout + tested.stderr)


class Python(WrapperTest):
    def test_onnxruntime(self) -> None:
        self.tools()
        self.assert_answers("onnx", [RUNTIMES, EXAMPLE])

    def test_torch(self) -> None:
        self.assert_answers("torchscript", [sys.executable, EXAMPLE])

    def test_openvino(self) -> None:
        self.tools()
        self.openvino_models()
        self.assert_answers("openvino", [RUNTIMES, EXAMPLE])

    def test_litert(self) -> None:
        self.tools()
        self.tflite_models()
        self.assert_answers("tflite", [RUNTIMES, EXAMPLE])

    def test_drawing(self) -> None:
        self.tools()
        out = self.root / "drawn.png"
        found = run(RUNTIMES, EXAMPLE, self.root / "images/plain.png", "--model", self.root / "onnx/segment", "--draw", out)
        self.assertEqual(found.returncode, 0, found.stderr)
        self.assertNotEqual(out.read_bytes(), (self.root / "images/plain.png").read_bytes())

    def test_what_is_wrong_is_said(self) -> None:
        self.tools()
        folder = self.root / "wrong"
        shutil.copytree(self.root / "onnx/segment", folder)
        metadata = json.loads((folder / "metadata.json").read_text())
        for text, change in {
            "use the wrapper of the same package": {"schema_version": 2},
            "outside the package": {"model": {**metadata["model"], "file": "../model.onnx"}},
            "this wrapper answers detect": {"model": {**metadata["model"], "task": "obb"}},
            "unpack the whole package": {"model": {**metadata["model"], "file": "model.tflite", "format": "tflite"}},
            "and none in it": {"model": {**metadata["model"], "file": "model.mlpackage", "format": "coreml"}},
        }.items():
            (folder / "metadata.json").write_text(json.dumps({**metadata, **change}))
            found = run(RUNTIMES, EXAMPLE, self.images[0], "--model", folder)
            self.assertEqual(found.returncode, 1)
            self.assertIn(text, found.stderr)
        found = run(RUNTIMES, EXAMPLE, TESTS / "blobs.py", "--model", self.root / "onnx/segment")
        self.assertIn("cannot be read", found.stderr)
        (folder / "metadata.json").write_text(json.dumps(metadata))
        for name, said in (("golden/answer.json", "answer.json is damaged"), ("golden/image.png", "image.png cannot be read")):
            whole = (folder / name).read_bytes()
            (folder / name).write_bytes(whole[: len(whole) // 2])
            found = run(RUNTIMES, EXAMPLE, "--selftest", "--model", folder)
            self.assertEqual(found.returncode, 1)
            self.assertIn(said, found.stderr)
            (folder / name).write_bytes(whole)
        said = json.loads((folder / "golden/answer.json").read_text())
        (folder / "golden/answer.json").write_text(json.dumps({k: v for k, v in said.items() if k != "objects"}))
        other = {**metadata, "outputs": [{**metadata["outputs"][0], "name": "nothing"}, *metadata["outputs"][1:]]}
        for arguments, described, text in ((["--selftest"], metadata, "answer.json is damaged"), ([self.images[0]], other, "does not take or give what metadata.json says")):
            (folder / "metadata.json").write_text(json.dumps(described))
            found = run(RUNTIMES, EXAMPLE, *arguments, "--model", folder)
            self.assertEqual((found.returncode, "Traceback" in found.stderr), (1, False))
            self.assertIn(text, found.stderr)
        (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:1000])
        for model in (folder, folder / "model.onnx"):
            found = run(RUNTIMES, EXAMPLE, self.images[0], "--model", model)
            self.assertEqual((found.returncode, "Traceback" in found.stderr), (1, False))
            self.assertIn("onnxruntime cannot open model.onnx", found.stderr)

    def test_runs_of_masks(self) -> None:
        import numpy as np

        mask = np.random.default_rng(0).integers(0, 2, (5, 7)).astype(bool)
        self.assertTrue((from_runs(runs(mask), 7, 5) == mask).all())
        with self.assertRaises(WrapperError):
            from_runs([3], 7, 5)


class Cpp(WrapperTest):
    def build(self, engine: str, *settings: str, flags: str = "") -> Path:
        out = self.root / f"build-{engine}"
        # Little optimised: what is proven is the arithmetic, and a compiler takes a third of the time.
        made = run("cmake", "-S", SOURCES / "cpp", "-B", out, f"-DENGINE={engine}", "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_CXX_FLAGS=-O1 -g0 -Werror {flags}", *settings)
        self.assertEqual(made.returncode, 0, made.stdout[-1000:] + made.stderr[-2000:])
        made = run("cmake", "--build", out, "-j", str(os.cpu_count()))
        self.assertEqual(made.returncode, 0, made.stdout[-3000:] + made.stderr[-3000:])
        return out / "example"

    def test_onnxruntime(self) -> None:
        self.tools("cmake", "g++")
        (library,) = (TOOLS / "venv").glob("lib/python3.*/site-packages/onnxruntime/capi/libonnxruntime.so.*")
        beside = self.root / "lib"
        beside.mkdir()
        (beside / "libonnxruntime.so.1").symlink_to(library)
        example = self.build(
            "onnxruntime", f"-DONNXRUNTIME_INCLUDE={TOOLS}/onnxruntime/usr/include/onnxruntime", f"-DONNXRUNTIME_LIBRARY={beside}/libonnxruntime.so.1",
            flags="-fsanitize=address,undefined -fno-sanitize-recover=all",
        )
        more = {"LD_LIBRARY_PATH": str(beside), "ASAN_OPTIONS": "detect_leaks=0"}
        self.assert_answers("onnx", [example], **more)
        headers = self.broken_headers()
        found = run(example, *headers, "--model", self.root / "onnx/cropped", **more)
        self.assertEqual(found.returncode, 0, found.stderr[-2000:])
        self.assertEqual([Path(json.loads(line)["image"]) for line in found.stdout.splitlines()], headers)

    def broken_headers(self) -> list[Path]:
        """A turned JPEG whose EXIF part is changed in a hundred ways; its pixels stay."""
        whole = (self.root / "images/turned.jpg").read_bytes()
        start, rng = whole.index(b"Exif") + 6, random.Random(0)
        end = start - 8 + int.from_bytes(whole[start - 8 : start - 6], "big")
        folder = self.root / "headers"
        folder.mkdir()
        for i in range(100):
            changed = bytearray(whole)
            for _ in range(rng.randint(1, 6)):
                changed[rng.randrange(start, end)] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
            (folder / f'{i:03} "\\.jpg').write_bytes(changed)  # a name that JSON must escape
        return sorted(folder.iterdir())

    def test_openvino(self) -> None:
        self.tools("cmake", "g++")
        (cmake,) = (TOOLS / "venv").glob("lib/python3.*/site-packages/openvino/cmake")
        example = self.build("openvino", f"-DOpenVINO_DIR={cmake}")
        self.openvino_models()
        self.assert_answers("openvino", [example])

    def test_tflite(self) -> None:
        self.tools("cmake", "g++")
        self.tflite_models()
        self.assert_answers("tflite", [self.build("tflite", f"-DTFLITE_INCLUDE={TOOLS}/include", f"-DTFLITE_LIBRARY={TOOLS}/lib/libjnitensorflowlite.so")])

    def test_libtorch(self) -> None:
        """Left to make export-wrappers: the headers of LibTorch take a compiler longer than all the rest."""
        if os.environ.get("EXPORT_WRAPPERS") != "all":
            self.skipTest("make export-wrappers compiles the wrapper for LibTorch")
        self.tools("cmake", "g++")
        import torch

        folder = Path(torch.__file__).parent
        self.assert_answers("torchscript", [self.build("libtorch", f"-DTORCH_DIR={folder}")], LD_LIBRARY_PATH=str(folder / "lib"))


class Kotlin(WrapperTest):
    def command(self) -> list[object]:
        """The wrapper, compiled; Android's Interpreter and ONNX Runtime run on this JVM."""
        self.tools("java")
        jars = sorted((TOOLS / "jars").glob("*.jar"))
        compiled, path = self.root / "wrapper.jar", os.pathsep.join(map(str, jars))
        if not compiled.exists():
            compiler = ["java", "-XX:TieredStopAtLevel=1", "-cp", path, "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-no-stdlib", "-no-reflect", "-Werror"]
            made = run(*compiler, "-cp", path, "-d", compiled, *sorted((SOURCES / "kotlin").glob("*.kt")))
            self.assertEqual(made.returncode, 0, made.stderr[-3000:])
        return ["java", "-XX:TieredStopAtLevel=1", f"-Djava.library.path={TOOLS}/jni", "-cp", f"{compiled}{os.pathsep}{path}", "modelwrapper.ExampleKt"]

    def test_onnxruntime(self) -> None:
        self.assert_answers("onnx", self.command())

    def test_androids_interpreter(self) -> None:
        """The one for this JVM is of 2021: what newer operators need is left out."""
        command = self.command()
        self.tflite_models()
        shutil.rmtree(self.root / "tflite/cropped")
        self.assert_answers("tflite", command)


class Swift(WrapperTest):
    def test_recorded_answers(self) -> None:
        """What needs no Apple framework: resizing must give the recorded input, decoding the expected answer."""
        if os.environ.get("EXPORT_WRAPPERS") != "all" or not shutil.which("swift"):
            self.skipTest("make export-wrappers compiles the Swift wrapper where a swift toolchain is")
        self.tools()
        made = run(RUNTIMES, TESTS / "to_recorded.py", self.root)
        self.assertEqual(made.returncode, 0, made.stderr[-2000:])
        built = run("swift", "build", "--package-path", SOURCES / "swift", "--scratch-path", self.root / "swift")
        self.assertEqual(built.returncode, 0, built.stdout[-3000:])
        for folder in sorted((self.root / "recorded").iterdir()):
            expected = json.loads((self.root / "onnx" / folder.name / "expected.json").read_text())
            images = sorted(folder.glob("*.ppm"))
            found = run(self.root / "swift/debug/Example", *images, "--model", folder)
            self.assertEqual(found.returncode, 0, f"{folder.name}: {found.stderr}")
            for image, line in zip(images, found.stdout.splitlines(), strict=True):
                (want,) = (v for k, v in expected.items() if Path(k).stem == image.stem)
                with self.subTest(package=folder.name, image=image.name):
                    self.assertEqual(compare(want, json.loads(line)), [])


class Packages(WrapperTest):
    def test_a_package_has_the_same_bytes_and_proves_itself(self) -> None:
        self.tools()
        folder = self.root / "whole-package"
        shutil.copytree(self.root / "onnx/segment", folder)
        package.complete(folder)
        package.pack(folder, self.root / "one.zip")
        (folder / "golden/image.png").touch()
        package.pack(folder, self.root / "two.zip")
        self.assertEqual((self.root / "one.zip").read_bytes(), (self.root / "two.zip").read_bytes())
        out = self.root / "unpacked"
        with zipfile.ZipFile(self.root / "one.zip") as archive:
            archive.extractall(out)
            names = archive.namelist()
        self.assertEqual(names, sorted(names))
        self.assertNotIn("expected.json", names)
        for name in ("model.onnx", "README.md", "Dockerfile", "triton/config.pbtxt", "golden/answer.json", "runtimes/python/requirements.txt", "runtimes/cpp/CMakeLists.txt", "runtimes/kotlin/ModelWrapper.kt"):
            self.assertIn(name, names)
        tested = run(RUNTIMES, out / "runtimes/python/example.py", "--selftest", cwd=out)
        self.assertEqual(tested.returncode, 0, tested.stderr)

    def test_what_has_no_wrapper_is_said(self) -> None:
        folder = self.root / "rotated"
        shutil.copytree(self.root / "onnx/segment", folder)
        metadata = json.loads((folder / "metadata.json").read_text())
        metadata["model"]["task"] = "obb"
        (folder / "metadata.json").write_text(json.dumps(metadata))
        package.complete(folder)
        self.assertIn("no wrapper for the task obb", (folder / "README.md").read_text())
        self.assertFalse((folder / "runtimes").exists())

    def test_triton(self) -> None:
        metadata = json.loads((self.root / "onnx/whole/metadata.json").read_text())
        text = triton.config(metadata)
        self.assertIn('input [ { name: "image", data_type: TYPE_UINT8, dims: [ -1, -1, 3 ] } ]', text)
        self.assertIn('backend: "onnxruntime"', text)
        metadata["model"]["format"] = "coreml"
        self.assertIsNone(triton.config(metadata))


if __name__ == "__main__":
    unittest.main()
