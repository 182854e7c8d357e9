#!/usr/bin/env python3
"""Audit the pinned packages of the trainers with pip-audit, and name those of which its index has nothing.

    make audit

By itself pip-audit either ends at the first package that its index does not know (--strict), or passes
over it: where the index knows none, it says that nothing is known. Here such a package is named as not
audited, and what is said of the others holds for them alone.

Ends with 1 when a version is affected, with 2 when of a lock nothing could be audited.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def told(lock: Path) -> list[dict]:
    """What pip-audit says of each package of a lock; it ends with 1 when one is vulnerable, and when it could not work."""
    done = subprocess.run([str(Path(sys.executable).parent / "pip-audit"), "--progress-spinner", "off", "--no-deps", "--disable-pip", "-f", "json", "-r", str(lock)], capture_output=True, text=True)
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError):
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}, and without a word"]
        print(f"audit: pip-audit of {lock}: {lines[-1]}", file=sys.stderr)
        return []


def main(locks: list[Path]) -> int:
    audited, found, unknown, skipped = 0, 0, [], {}
    for lock in locks:
        answer = told(lock)
        known = [package for package in answer if "skip_reason" not in package]
        audited += len(known)
        skipped |= {package["name"]: package["skip_reason"] for package in answer if "skip_reason" in package}
        if not known:
            unknown.append(f"{lock.parent.name}/{lock.name}")
        for package in known:
            for weakness in package["vulns"]:
                found += 1
                fix = ", ".join(weakness["fix_versions"]) or "no version"
                print(f"{lock.parent.name}/{lock.name}: {package['name']} {package['version']} has {' '.join([weakness['id'], *weakness['aliases']])}; fixed in {fix}")
    for name, reason in sorted(skipped.items()):
        print(f"warning: {name} was not audited: {reason}", file=sys.stderr)
    print(f"{audited} pinned packages were audited: {found or 'no'} weaknesses are known of them; {len(skipped)} were not audited")
    if unknown:
        print(f"audit: no package of {', '.join(unknown)} could be audited, so nothing is known of them; with OSV's data: make audit OSV=all.zip", file=sys.stderr)
    return 1 if found else 2 if unknown else 0


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]] or sorted(HERE.glob("*/requirements.lock"))))
