#!/usr/bin/env python3
"""Make the folder that govulncheck reads of Go's own vulnerability records, for a machine that reaches a module proxy but not vuln.go.dev.

    make audit GOVULNDB=proxy
    python3 release/govulndb.py OUT [RECORDS]

The records are in the module golang.org/x/vulndb, which go.sum's database vouches
for; RECORDS is a folder of them instead. The layout is that of https://vuln.go.dev.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

MODULE = "golang.org/x/vulndb"


def fetch() -> Path:
    said = subprocess.run(["go", "mod", "download", "-json", f"{MODULE}@latest"], stdout=subprocess.PIPE, check=True, cwd="/")
    module = json.loads(said.stdout)
    print(f"{MODULE} {module['Version']}")
    return Path(module["Dir"]) / "data" / "osv"


def fixed(affected: dict[str, Any]) -> str:
    """The last version that mends it; empty while there is none."""
    events = [event for span in affected.get("ranges", []) for event in span["events"]]
    return events[-1].get("fixed", "") if events else ""


def write(records: Path, out: Path) -> int:
    modules: dict[str, list[dict[str, Any]]] = {}
    vulns, newest = [], ""
    shutil.rmtree(out, ignore_errors=True)
    (out / "ID").mkdir(parents=True)
    (out / "index").mkdir()
    for path in sorted(records.glob("GO-*.json")):
        record = json.loads(path.read_text())
        shutil.copyfile(path, out / "ID" / path.name)
        known = {"id": record["id"], "modified": record["modified"]}
        newest = max(newest, record["modified"])
        vulns.append(known | {"aliases": record.get("aliases", [])})
        for affected in record["affected"]:
            modules.setdefault(affected["package"]["name"], []).append(known | {"fixed": fixed(affected)})
    listed = [{"path": name, "vulns": modules[name]} for name in sorted(modules)]
    for name, index in {"db": {"modified": newest}, "modules": listed, "vulns": vulns}.items():
        (out / "index" / f"{name}.json").write_text(json.dumps(index))
    return len(vulns)


def main() -> None:
    out = Path(sys.argv[1])
    records = Path(sys.argv[2]) if len(sys.argv) > 2 else fetch()
    count = write(records, out)
    if count == 0:
        sys.exit(f"govulndb.py: there are no records GO-*.json in {records}")
    print(f"{count} records in {out}")


if __name__ == "__main__":
    main()
