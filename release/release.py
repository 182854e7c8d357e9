#!/usr/bin/env python3
"""Build the release: binaries, wheels, SBOMs, licences and checksums in one folder.

    python3 release/release.py --version v1.2.3 --commit 0123abcd4567 --go-licenses .tools/go-licenses

Nothing in the output depends on this machine, the folder or the time: the same
commit and C compiler give the same bytes. Go is the one that go.mod's toolchain line
names, whichever this machine has. --twice builds once more, from a copy in another
folder and with a cache of its own, and compares.
Standard library only, but for the wheels' builder, which is fetched into an environment of its own.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import packages
import wheels

ROOT = Path(__file__).resolve().parent.parent
MODULE = "github.com/vision-platform/trainer-agent"
PLATFORMS = ["linux/amd64", "linux/arm64", "darwin/arm64"]
# Licences whose wording the tool does not know, read by a person: the name, and the SHA-256 of the module's LICENSE.
READ_BY_PEOPLE = {"modernc.org/mathutil": ("BSD-3-Clause", "bfa9bf72a72ca009fd62a8f84fca3dca67e51d93af96352723646599898b6cf5")}
# The probe needs NVML's headers of its module and a C compiler; there is no NVIDIA driver for macOS.
C_COMPILERS = {"linux/amd64": "x86_64-linux-gnu-gcc", "linux/arm64": "aarch64-linux-gnu-gcc"}


def toolchain() -> str:
    """The Go that releases are built with: this machine's may have weaknesses that it mends. Where it is another, go fetches it as a module, checked by sum.golang.org."""
    line = re.search(r"^toolchain (go\S+)$", (ROOT / "go.mod").read_text(), re.MULTILINE)
    return line[1] if line else sys.exit("release: go.mod has no toolchain line")


def check_toolchain() -> None:
    """Ends a release that has no such Go, before anything is removed or built."""
    done = subprocess.run(["go", "version"], cwd=ROOT, env=os.environ | {"GOTOOLCHAIN": toolchain()}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"release: there is no {toolchain()}, which go.mod names: install it, or set GOPROXY and GOSUMDB so that go can fetch it. It said: {done.stderr.strip()}")


def go(*args: str, root: Path = ROOT, **env: str) -> str:
    # Settings that change bytes are fixed here, whatever the caller's environment says.
    fixed = {"GOTOOLCHAIN": toolchain(), "GOFLAGS": "-trimpath -buildvcs=false -tags=grpcnotrace", "GOAMD64": "v1", "GOARM64": "v8.0", "GOWORK": "off", "GOEXPERIMENT": ""}
    done = subprocess.run(["go", *args], cwd=root, env=os.environ | fixed | env, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"release: go {' '.join(args[:1])} failed with {done.returncode}")
    return done.stdout


def build(root: Path, out: Path, platform: str, version: str, commit: str, **env: str) -> list[Path]:
    """Build what the platform gets, and say what it does not."""
    system, arch = platform.split("/")
    env |= {"GOOS": system, "GOARCH": arch}
    stamp = f"-s -w -buildid= -X {MODULE}/contract.Version={version} -X {MODULE}/contract.Commit={commit}"
    agent = out / f"trainer-agent-{system}-{arch}"
    go("build", "-ldflags", stamp, "-o", str(agent), "./cmd/trainer-agent", root=root, CGO_ENABLED="0", **env)
    sandbox = out / f"trainer-sandbox-{system}-{arch}"
    go("build", "-ldflags", stamp, "-o", str(sandbox), "./cmd/trainer-sandbox", root=root, CGO_ENABLED="0", **env)
    made = [agent, sandbox]
    if system == "linux":  # where packages can be isolated
        hub = out / f"trainer-hub-{system}-{arch}"
        go("build", "-ldflags", stamp, "-o", str(hub), "./cmd/trainer-hub", root=root, CGO_ENABLED="0", **env)
        made.append(hub)
    if compiler := C_COMPILERS.get(platform):
        if shutil.which(compiler) is None:
            print(f"release: no trainer-gpu for {platform}: {compiler} is not installed (apt-get install gcc-{compiler.removesuffix('-gcc').replace('_', '-')})")
            return made
        probe = out / f"trainer-gpu-{system}-{arch}"
        # The linker's own build id depends on nothing else, but says nothing either.
        go("build", "-ldflags", f"{stamp} -extldflags=-Wl,-z,lazy,--build-id=none", "-o", str(probe), "./cmd/trainer-gpu", root=root,
           CGO_ENABLED="1", CC=compiler, CGO_CFLAGS="-O2 -Wno-deprecated-declarations", CGO_LDFLAGS="", **env)
        made.append(probe)
    return made


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def licences(tool: str, out: Path) -> dict[str, set[str]]:
    """Write the texts of every licence and return the names by import path."""
    command = [tool, "report", "--ignore", MODULE, "--template", str(ROOT / "release" / "licences.tpl"), "./cmd/trainer-agent", "./cmd/trainer-gpu", "./cmd/trainer-sandbox", "./cmd/trainer-hub"]
    rule = "=" * 80 + "\n"
    host = "/".join(go("env", "GOHOSTOS", "GOHOSTARCH").split())
    # The tool takes for the standard library what lies in GOROOT, by default the one that it was built with.
    goroot = Path(go("env", "GOROOT").strip())
    of_go = {"GOROOT": str(goroot), "PATH": f"{goroot / 'bin'}{os.pathsep}{os.environ['PATH']}", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    # The union of the platforms: each links packages that another does not, and
    # only here is there surely a C compiler, for the probe's.
    texts: dict[str, str] = {}
    for platform in PLATFORMS:
        system, arch = platform.split("/")
        env = os.environ | of_go | {"GOOS": system, "GOARCH": arch, "CGO_ENABLED": str(int(platform == host))}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"release: go-licenses failed:\n{done.stderr}")
        parts = done.stdout.split(rule)[1:]
        texts |= dict(read_by_people(parts[i], parts[i + 1]) for i in range(0, len(parts), 2))
    names: dict[str, set[str]] = {}
    for head in texts:
        first, licence = head.splitlines()
        path = first.split()[0]
        if licence in ("", "Unknown"):
            sys.exit(f"release: the licence of {path} is not known")
        names.setdefault(path, set()).add(licence)
    texts["The Go runtime and standard library\nBSD-3-Clause\n"] = "\n" + (goroot / "LICENSE").read_text() + "\n"
    texts |= {f"{name} {number} (JavaScript of the hub's page)\n{licence}\n": f"\n{text}\n" for name, number, licence, text in bundled()}
    body = "".join(f"{rule}{head}{rule}{texts[head].rstrip()}\n\n" for head in sorted(texts, key=str.lower))
    (out / "THIRD_PARTY_LICENSES.txt").write_text("Licences of what the binaries contain.\n\n" + body)
    return names


def read_by_people(head: str, text: str) -> tuple[str, str]:
    """The head and text of a licence, from the module itself where the tool does not know the wording."""
    first, licence = head.splitlines()
    path = first.split()[0]
    if licence not in ("", "Unknown") or path not in READ_BY_PEOPLE:
        return head, text
    name, digest = READ_BY_PEOPLE[path]
    file = Path(go("list", "-m", "-f", "{{.Dir}}", path).strip()) / "LICENSE"
    if sha256(file) != digest:
        sys.exit(f"release: {file} is another licence than the one that was read as {name}: read it, and write its SHA-256 into READ_BY_PEOPLE")
    return f"{first}\n{name}\n", f"\n{file.read_text()}\n"


def bundled() -> Iterator[tuple[str, str, str, str]]:
    """Name, version, licence and its text of each npm package in the hub's page, as the page's build wrote them beside it."""
    _, *parts = re.split(r"^## (.+) - (\S+) \((.+)\)$", (ROOT / "hub/page/dist/assets/licences.md").read_text(), flags=re.MULTILINE)
    for i in range(0, len(parts), 4):
        yield parts[i], parts[i + 1], parts[i + 2], parts[i + 3].strip()


def sbom(binary: Path, version: str, names: dict[str, set[str]]) -> Path:
    """Write a CycloneDX 1.6 bill of materials from what the binary says of itself; of the hub with what its page has bundled."""
    info = json.loads(go("version", "-m", "-json", str(binary)))
    info = info[0] if isinstance(info, list) else info
    if info["GoVersion"] != toolchain():
        sys.exit(f"release: {binary.name} was built with {info['GoVersion']}, not with go.mod's {toolchain()}")
    digest = sha256(binary)
    purl = f"pkg:golang/{MODULE}@{version}"
    components = [{"type": "library", "bom-ref": f"pkg:golang/std@{info['GoVersion'].removeprefix('go')}", "name": "std",
                   "version": info["GoVersion"].removeprefix("go"), "purl": f"pkg:golang/std@{info['GoVersion'].removeprefix('go')}",
                   "licenses": [{"license": {"id": "BSD-3-Clause"}}]}]
    for d in info.get("Deps", []):
        # go-licenses names packages with a licence of their own below the module.
        ids = sorted({n for path, some in names.items() if path == d["Path"] or path.startswith(d["Path"] + "/") for n in some})
        if not ids:
            sys.exit(f"release: {d['Path']} is linked into {binary.name}, and no licence of it was found")
        ref = f"pkg:golang/{d['Path']}@{d['Version']}"
        components.append({"type": "library", "bom-ref": ref, "name": d["Path"], "version": d["Version"], "purl": ref,
                           "licenses": [{"license": {"id": i}} for i in ids]})
    for name, number, licence, _ in bundled() if binary.name.startswith("trainer-hub-") else ():
        ref = f"pkg:npm/{name.replace('@', '%40')}@{number}"
        components.append({"type": "library", "bom-ref": ref, "name": name, "version": number, "purl": ref, "licenses": [{"license": {"id": licence}}]})
    document = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, purl + '#' + digest)}",  # not random: reproducible
        "metadata": {"component": {"type": "application", "bom-ref": purl, "name": binary.name, "version": version, "purl": purl,
                                   "hashes": [{"alg": "SHA-256", "content": digest}]}},
        "components": components,
        "dependencies": [{"ref": purl, "dependsOn": [c["bom-ref"] for c in components]}],
    }
    path = binary.with_name(binary.name + ".cdx.json")
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def again(platform: str, first: list[Path], version: str, commit: str) -> None:
    """Build from a copy elsewhere, with an empty cache, and compare."""
    with tempfile.TemporaryDirectory(prefix="trainer-agent-release-") as folder:
        copy, out = Path(folder, "another", "place"), Path(folder, "out")
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\0")
        for name in filter(None, tracked):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
        out.mkdir()
        for one, other in zip(first, build(copy, out, platform, version, commit, GOCACHE=str(Path(folder, "cache"))), strict=True):
            if sha256(one) != sha256(other):
                sys.exit(f"release: {one.name} is not reproducible: two builds differ")
            print(f"release: {one.name} is the same, built elsewhere with an empty cache")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--go-licenses", required=True, help="path of the tool")
    parser.add_argument("--nfpm", required=True, help="path of the tool")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "release")
    parser.add_argument("--platform", action="append", choices=PLATFORMS, help="only this one; may be repeated")
    parser.add_argument("--twice", action="store_true", help="build each platform a second time and compare")
    args = parser.parse_args()
    ours = args.out == parser.get_default("out") or (args.out / "SHA256SUMS").is_file()
    if not ours and args.out.exists() and any(args.out.iterdir()):
        sys.exit(f"release: {args.out} is not empty and holds no release: choose another folder")
    check_toolchain()
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    print("== licences", flush=True)
    names = licences(args.go_licenses, args.out)
    completions = {shell: go("run", "./cmd/trainer-agent", "completion", shell) for shell in packages.COMPLETIONS}
    for platform in args.platform or PLATFORMS:
        print(f"== {platform}: binaries, wheel, package and archive", flush=True)
        made = build(ROOT, args.out, platform, args.version, args.commit)
        for binary in made:
            sbom(binary, args.version, names)
        # A person at a desk gets the sandbox too; an image with the wheel has no use for it. The hub is a server: it comes by itself.
        desk = [b for b in made if not b.name.startswith("trainer-hub-")]
        wheels.build(platform, [b for b in desk if "sandbox" not in b.name], args.version, args.out)
        packages.build(platform, desk, args.out / "THIRD_PARTY_LICENSES.txt", completions, args.version, args.out, args.nfpm)
        if args.twice:
            again(platform, made, args.version, args.commit)
    files = sorted(args.out.iterdir())
    (args.out / "SHA256SUMS").write_text("".join(f"{sha256(f)}  {f.name}\n" for f in files))
    for f in files:
        print(f"{f.stat().st_size:>10}  {f.name}")


if __name__ == "__main__":
    main()
