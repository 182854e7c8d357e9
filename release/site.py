"""Hooks of mkdocs.yml: a link out of docs/ leads to the repository, if its file is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = re.compile(r"\]\((\.\./[^)#\s]*)(#[^)]*)?\)")


def on_page_markdown(markdown: str, page, config, files) -> str:
    def turn(link: re.Match[str]) -> str:
        target = (ROOT / "docs" / page.file.src_uri).parent.joinpath(link[1]).resolve()
        if not target.exists():
            raise SystemExit(f"docs/{page.file.src_uri}: {link[1]} is not there")
        if target.is_relative_to(ROOT / "docs"):
            return link[0]
        return f"]({config.repo_url}blob/main/{target.relative_to(ROOT)}{link[2] or ''})"

    return OUTSIDE.sub(turn, markdown)
