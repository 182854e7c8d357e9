"""What a release refuses before it removes or builds anything, and how the agent lies in what it packs."""

import json
import tarfile
from pathlib import Path

import packages
import pytest

import release


def test_without_the_go_that_go_mod_names_an_earlier_release_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = tmp_path / "SHA256SUMS"
    earlier.write_text("")
    monkeypatch.setattr(release, "toolchain", lambda: "go1.26.999")
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setattr("sys.argv", ["release.py", "--version=v1.2.3", "--commit=0123abcd4567", "--go-licenses=none", "--nfpm=none", f"--out={tmp_path}"])
    with pytest.raises(SystemExit, match=r"there is no go1\.26\.999, which go\.mod names: install it, or set GOPROXY"):
        release.main()
    assert earlier.is_file()


def test_what_the_hubs_page_bundles_is_listed() -> None:
    """The binary knows its Go modules only."""
    lock = json.loads((release.ROOT / "hub/page/web/package-lock.json").read_text())
    linked = {(path.removeprefix("node_modules/"), package["version"], package["license"]) for path, package in lock["packages"].items() if path and not package.get("dev") and not package.get("optional")}
    assert {found[:3] for found in release.bundled()} == linked
    assert all("Copyright" in text for *_, text in release.bundled())


def test_nobody_can_read_the_installed_agent(tmp_path: Path) -> None:
    """A program that nobody can read is undumpable before its first instruction: its environment stays its own."""
    for name in ("trainer-agent", "trainer-gpu"):
        (tmp_path / f"{name}-linux-amd64").write_bytes(b"ELF")
    (tmp_path / "licences").write_text("")
    files = packages.contents(sorted(tmp_path.glob("trainer-*")), tmp_path / "licences", {})
    with tarfile.open(packages.tarball("linux/amd64", files, "v1.2.3", tmp_path)) as archive:
        modes = {entry.name.rsplit("/", 1)[1]: entry.mode for entry in archive if "/bin/" in entry.name}
    assert modes == {"trainer-agent": 0o711, "trainer-gpu": 0o755}
    nfpm = tmp_path / "nfpm"  # package --config FILE --packager deb --target FILE
    nfpm.write_text('#!/bin/sh\ncp "$3" "$7"\n')
    nfpm.chmod(0o755)
    deb = packages.deb("linux/amd64", files, "v1.2.3", tmp_path, str(nfpm))
    assert deb is not None
    modes = {entry["dst"]: entry["file_info"]["mode"] for entry in json.loads(deb.read_text())["contents"]}
    assert modes["/usr/bin/trainer-agent"] == 0o711
