"""What a release refuses before it removes or builds anything."""

import json
from pathlib import Path

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
