"""The wheel, as a person installs it: from a fresh environment, without an index."""

import ast
import os
import platform
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import wheels

ROOT = Path(__file__).resolve().parent.parent
HERE = {"x86_64": "linux/amd64", "aarch64": "linux/arm64", "arm64": "darwin/arm64"}[platform.machine()]


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("binaries") / ("trainer-agent-" + HERE.replace("/", "-"))
    stamp = "-s -w -X github.com/vision-platform/trainer-agent/contract.Version=v1.2.3"
    subprocess.run(["go", "build", "-tags", "grpcnotrace", "-trimpath", "-ldflags", stamp, "-o", file, "./cmd/trainer-agent"], cwd=ROOT, env=os.environ | {"CGO_ENABLED": "0"}, check=True)
    return file


@pytest.fixture(scope="module")
def wheel(agent: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.build(HERE, [agent], "v1.2.3", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def home(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", wheel], check=True)
    return folder


def say(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}).stdout


def test_the_program_is_the_binary_itself(home: Path, agent: Path) -> None:
    installed = home / "bin" / "trainer-agent"
    assert installed.read_bytes() == agent.read_bytes()
    assert "v1.2.3" in say(installed, "version")


def test_python_finds_the_same_program(home: Path) -> None:
    assert say(home / "bin" / "python", "-m", "trainer_agent", "version") == say(home / "bin" / "trainer-agent", "version")


def test_the_sdk_comes_with_it(home: Path) -> None:
    listed = say(home / "bin" / "python", "-c", "import trainer_sdk; print(trainer_sdk.__file__, trainer_sdk.run)")
    assert str(home) in listed


def test_a_package_that_it_writes_finds_the_sdk(home: Path, tmp_path: Path) -> None:
    subprocess.run([home / "bin" / "trainer-agent", "init", "cell-counter"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "cell-counter" / "train.py").is_file()


def test_an_extra_brings_all_that_trainer_vision_imports(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
        imported = {name.split(".")[0] for file in archive.namelist() if file.startswith("trainer_vision/") and file.endswith(".py") and "/runtimes/" not in file  # wrappers are not imported: they travel with a model
                    for name in imports(archive.read(file).decode())}
        boxes = "".join(archive.read(file).decode() for file in archive.namelist() if "/deploy/toolboxes/" in file)
    assert {line for line in lines if line.startswith("Provides-Extra")} == {f"Provides-Extra: {extra}" for extra in ("inference", "explain", "export")}
    assert not [line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    brought = {re.split(r"[><= ]", line.removeprefix("Requires-Dist: "))[0] for line in lines if line.startswith("Requires-Dist")}
    brought |= {line.partition("==")[0] for line in boxes.splitlines()}  # converters, installed at first use in environments of their own
    brought |= {"tensorrt"}  # NVIDIA's, for an image with a GPU
    third = imported - set(sys.stdlib_module_names) - {"trainer_sdk", "trainer_vision"}
    called = {"PIL": "pillow", "cv2": "opencv-python"}
    assert third and {called.get(name, name.replace("_", "-")) for name in third} <= brought


def imports(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
    return found


def test_two_builds_are_the_same_bytes(wheel: Path, agent: Path, tmp_path: Path) -> None:
    assert wheels.build(HERE, [agent], "v1.2.3", tmp_path).read_bytes() == wheel.read_bytes()


def test_it_holds_no_path_of_this_machine(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            assert not name.startswith("/") and "__pycache__" not in name
            if not name.endswith("/scripts/trainer-agent"):
                assert str(ROOT).encode() not in archive.read(name)


@pytest.mark.parametrize(
    ("described", "version"),
    [
        ("v1.2.3", "1.2.3"), ("1.2.3", "1.2.3"), ("v1.2.3-rc.1", "1.2.3rc1"), ("v1.2.3-4-gabc1234", "1.2.3.post4+gabc1234"),
        ("v1.2.3-dirty", "1.2.3+dirty"), ("d475b05", "0.0.0+d475b05"), ("d475b05-dirty", "0.0.0+d475b05.dirty"), ("dev", "0.0.0+dev"), ("-", "0.0.0+unknown"),
    ],
)  # fmt: skip
def test_versions_are_those_of_python(described: str, version: str) -> None:
    assert wheels.pep440(described) == version


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
