"""What people without pip install: a Debian package, and an archive laid out as Homebrew and `tar -C /usr/local` expect it.

Both hold the release's own bytes, the completion scripts and the licences of what is linked in, and come out the same every time.
"""

import gzip
import io
import json
import os
import platform as machine
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from wheels import EPOCH, pep440

HERE = machine.system().lower() + "/" + {"x86_64": "amd64", "aarch64": "arm64"}.get(machine.machine(), machine.machine())
COMPLETIONS = {
    "bash": "share/bash-completion/completions/trainer-agent",
    "zsh": "share/zsh/site-functions/_trainer-agent",
    "fish": "share/fish/vendor_completions.d/trainer-agent.fish",
}
DESCRIPTION = "PID 1 of a training job on a vision-AI platform\n Brings the dataset in, runs the trainer, uploads checkpoints, reports, says why it failed."


def contents(binaries: list[Path], licences: Path, completions: dict[str, str]) -> dict[str, tuple[bytes, int]]:
    """Path below the prefix → bytes and mode. Binaries are named NAME-SYSTEM-ARCH."""
    files = {f"bin/{b.name.rsplit('-', 2)[0]}": (b.read_bytes(), 0o755) for b in binaries}
    # Who cannot read a program cannot read the environment of one that runs it either, and the agent's has secrets.
    files["bin/trainer-agent"] = (files["bin/trainer-agent"][0], 0o711)
    files["share/doc/trainer-agent/THIRD_PARTY_LICENSES.txt"] = (licences.read_bytes(), 0o644)
    return files | {COMPLETIONS[shell]: (text.encode(), 0o644) for shell, text in completions.items()}


def tarball(platform: str, files: dict[str, tuple[bytes, int]], version: str, out: Path) -> Path:
    """trainer-agent-VERSION-SYSTEM-ARCH.tar.gz with one folder of the same name inside."""
    name = f"trainer-agent-{version}-{platform.replace('/', '-')}"
    path = out / f"{name}.tar.gz"
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(files):
            body, mode = files[file]
            entry = tarfile.TarInfo(f"{name}/{file}")
            entry.size, entry.mode, entry.mtime = len(body), mode, int(EPOCH)
            archive.addfile(entry, io.BytesIO(body))
    return path


def deb(platform: str, files: dict[str, tuple[bytes, int]], version: str, out: Path, nfpm: str) -> Path | None:
    """The Debian package; other systems have none."""
    system, arch = platform.split("/")
    if system != "linux":
        return None
    with tempfile.TemporaryDirectory(prefix="trainer-agent-deb-") as folder:
        config: dict[str, object] = {
            "name": "trainer-agent", "arch": arch, "platform": "linux", "version": pep440(version).replace("+", "~"), "version_schema": "none",
            "section": "science", "priority": "optional", "maintainer": "vision-platform <trainer-agent@vision-platform.example>",
            "description": DESCRIPTION, "homepage": "https://github.com/vision-platform/trainer-agent", "mtime": "1980-02-01T00:00:00Z", "contents": [],
        }  # fmt: skip
        for file in sorted(files):
            body, mode = files[file]
            source = Path(folder, file)
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_bytes(body)
            entry = {"src": str(source), "dst": f"/usr/{file}", "file_info": {"mode": mode, "mtime": "1980-02-01T00:00:00Z"}}
            config["contents"].append(entry)  # type: ignore[attr-defined]
        setup = Path(folder, "nfpm.yaml")
        setup.write_text(json.dumps(config))  # JSON is YAML
        path = out / f"trainer-agent_{version}_{arch}.deb"
        done = subprocess.run([nfpm, "package", "--config", setup, "--packager", "deb", "--target", path],
                              env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH}, capture_output=True, text=True)  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"release: building {path.name}:\n{done.stdout}{done.stderr}")
        return path


def build(platform: str, binaries: list[Path], licences: Path, completions: dict[str, str], version: str, out: Path, nfpm: str) -> None:
    files = contents(binaries, licences, completions)
    archive = tarball(platform, files, version, out)
    if shutil.which(nfpm) is None:
        sys.exit(f"release: {nfpm} is missing: make {nfpm}")
    package = deb(platform, files, version, out, nfpm)
    if platform == HERE:
        with tempfile.TemporaryDirectory(prefix="trainer-agent-installed-") as prefix:
            prove(["tar", "-C", prefix, "--strip-components=1", "-xzf", str(archive)], Path(prefix), files, version)
        if package and shutil.which("dpkg-deb"):
            with tempfile.TemporaryDirectory(prefix="trainer-agent-installed-") as root:
                prove(["dpkg-deb", "-x", str(package), root], Path(root, "usr"), files, version)


def prove(unpack: list[str], prefix: Path, files: dict[str, tuple[bytes, int]], version: str) -> None:
    """Unpack as a person does, and ask every program for its version."""
    subprocess.run(unpack, check=True)
    for file, (body, _) in files.items():
        if (prefix / file).read_bytes() != body:
            sys.exit(f"release: {unpack[0]} does not give {file} as it was built")
        if file.startswith("bin/") and file != "bin/trainer-gpu":  # the probe needs a driver
            said = subprocess.run([prefix / file, "version"], capture_output=True, text=True)
            if said.returncode != 0 or version not in said.stdout:
                sys.exit(f"release: {file} of {' '.join(unpack)} does not run: {said.stdout}{said.stderr}")
