#!/usr/bin/env python3
"""Match the pinned packages of the trainers with OSV's data on disk, for a machine that reaches no service.

    curl -O https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip     # where there is a network
    make audit OSV=all.zip                                                      # where there is none

Reads requirements.lock of every trainer. Ends with 1 when a version is affected,
with 2 when the data cannot be read or holds nothing. Needs the package packaging.
"""

import json
import re
import sys
import zipfile
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

HERE = Path(__file__).resolve().parent
MAX_ENTRY = 8 << 20  # bytes of one entry of OSV


def pinned(text: str) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)}


def within(version: Version, events: list[dict[str, str]]) -> bool:
    """Whether a version lies in a range of OSV's schema: events in order of their versions, introduced 0 is the first of all."""
    inside = False
    for event in events:
        for kind, text in event.items():
            try:
                at = Version("0.dev0" if text == "0" else text)
            except InvalidVersion:
                continue
            if kind == "introduced" and version >= at:
                inside = True
            if (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
                inside = False
    return inside


def affects(entry: dict, name: str, version: str) -> bool:
    for affected in entry.get("affected", []):
        package = affected.get("package", {})
        if package.get("ecosystem") != "PyPI" or canonicalize_name(package.get("name", "")) != name:
            continue
        if version in affected.get("versions", []):
            return True
        ranges = [r for r in affected.get("ranges", []) if r.get("type") == "ECOSYSTEM"]
        if any(within(Version(version), r.get("events", [])) for r in ranges):
            return True
    return False


def findings(entry: dict, locks: dict[str, dict[str, str]]) -> list[str]:
    if "withdrawn" in entry:
        return []
    names = {canonicalize_name(a.get("package", {}).get("name", "")) for a in entry.get("affected", [])}
    return [
        f"{lock}: {name} {versions[name]} has {' '.join([entry['id'], *entry.get('aliases', [])])}: {entry.get('summary', 'no summary')}"
        for lock, versions in locks.items() for name in sorted(names & versions.keys()) if affects(entry, name, versions[name])
    ]


def main(path: str) -> int:
    locks = {f"{file.parent.name}/{file.name}": pinned(file.read_text()) for file in sorted(HERE.glob("*/requirements.lock"))}
    found, read = [], 0
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.filename.endswith(".json") or info.file_size > MAX_ENTRY:
                    continue
                found += findings(json.loads(archive.read(info)), locks)
                read += 1
    except (OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        print(f"audit: {path} is not OSV's all.zip of PyPI: {error}", file=sys.stderr)
        return 2
    if not read:
        print(f"audit: {path} holds no entry", file=sys.stderr)
        return 2
    print("\n".join(found) or f"none of {sum(map(len, locks.values()))} pinned packages is in OSV's {read} entries")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
