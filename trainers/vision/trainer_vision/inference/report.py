"""report.html: one file that opens without a network. Metrics, curves, the confusion matrix, and the worst images first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .measure import Measured

LARGEST_MATRIX = 40  # classes; a larger matrix is in results.json
MOST_CURVES = 12
SIDE, MARGIN = 240, 36  # of a drawing and of what is left and below of its axes, pixels

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1b1b;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}
table{border-collapse:collapse}th,td{border:1px solid #bbb;padding:.25rem .6rem;text-align:right}th[scope=row],caption{text-align:left}
.scroll{overflow-x:auto}.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem}
figure{margin:0}figure img{width:100%;height:auto;max-height:20rem;object-fit:contain;border:1px solid #bbb}figcaption{overflow-wrap:anywhere}svg{max-width:100%;height:auto}
"""


def write_report(target: Path, title: str, facts: Mapping[str, Any], measured: Measured | None, names: Sequence[str], images: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]] = ()) -> None:
    """`images` are {name, drawing (path relative to the report) or None, note}, worst first; `failed` those without an answer."""
    body = [f"<h1>{escape(title)}</h1>", _facts("The job", facts)]
    if failed:
        body.append(_facts("Images that could not be used", {row["image_path"]: row["error"] for row in failed}))
    if measured:
        body += [_facts("Metrics", measured.overall_metrics), _per_class(measured), _matrix(measured, names), _curves(measured)]
        if kinds := measured.more.get("error_kinds"):
            body.append(_facts("What the mistakes are", kinds))
        if best := measured.more.get("best_thresholds"):
            body.append(_facts("Best threshold of each class", {name: t and f"{t['threshold']:.3f} (F1 {t['f1']:.3f})" for name, t in best.items()}))
    body.append(_images("The worst images first" if measured else "Images", images))
    page = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{"".join(body)}</main></body></html>'
    target.write_text(page, encoding="utf-8")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "not measured" if math.isnan(value) else f"{value:.4g}"
    return "" if value is None else escape(str(value))


def _facts(title: str, facts: Mapping[str, Any]) -> str:
    rows = "".join(f'<tr><th scope="row">{escape(str(k))}</th><td>{_text(v)}</td></tr>' for k, v in facts.items())
    return _section(title, f"<table>{rows}</table>")


def _section(title: str, inside: str) -> str:
    return f'<section><h2>{escape(title)}</h2><div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">{inside}</div></section>'


def _per_class(measured: Measured) -> str:
    columns = ("precision", "recall", "ap", "support")
    head = '<tr><th scope="col">class</th>' + "".join(f'<th scope="col">{c}</th>' for c in columns) + "</tr>"
    rows = "".join(f'<tr><th scope="row">{escape(r["class_name"])}</th>' + "".join(f"<td>{_text(r[c])}</td>" for c in columns) + "</tr>" for r in measured.per_class_metrics)
    return _section("Classes", f"<table>{head}{rows}</table>")


def _matrix(measured: Measured, names: Sequence[str]) -> str:
    matrix = measured.confusion_matrix
    if matrix is None:
        return _section("Confusion matrix", f"{len(names)} classes are too many for a matrix.")
    if len(matrix) > LARGEST_MATRIX + 1:
        return _section("Confusion matrix", f"{len(matrix)} classes are too many for a page: the matrix is in results.json.")
    labels = [*names, "background"][: len(matrix)]
    head = '<tr><th scope="col">true \\ found</th>' + "".join(f'<th scope="col">{escape(n)}</th>' for n in labels) + "</tr>"
    rows = ""
    for name, row in zip(labels, matrix, strict=True):
        total = sum(row) or 1
        cells = "".join(f'<td style="background:rgba(70,130,220,{0.6 * v / total:.2f})">{v}</td>' for v in row)
        rows += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    return _section("Confusion matrix", f"<table>{head}{rows}</table>")


def _curves(measured: Measured) -> str:
    shown = list(measured.pr_curves.items())[:MOST_CURVES]
    drawn = "".join(f"<figure>{_curve(name, c['recall'], c['precision'])}<figcaption>{escape(name)}</figcaption></figure>" for name, c in shown)
    return _section("Precision over recall", f'<div class="grid">{drawn}</div>')


def _curve(name: str, recall: Sequence[float], precision: Sequence[float]) -> str:
    points = " ".join(f"{_x(x)},{_y(y)}" for x, y in zip(recall, precision, strict=True) if not math.isnan(y))
    return (
        f'<svg viewBox="0 0 {SIDE} {SIDE}" width="{SIDE}" height="{SIDE}" role="img" aria-label="Precision over recall of {escape(name)}">'
        f'<path d="M{_x(0)} {_y(1)}V{_y(0)}H{_x(1)}" fill="none" stroke="#555"/>{_axes()}<polyline points="{points}" fill="none" stroke="#1d4ed8" stroke-width="2"/></svg>'
    )


def _x(share: float) -> str:
    return f"{MARGIN + (SIDE - MARGIN - 10) * share:.1f}"


def _y(share: float) -> str:
    return f"{SIDE - MARGIN - (SIDE - MARGIN - 10) * share:.1f}"


def _axes() -> str:
    """Numbers and names beside the two axes."""
    numbers = "".join(
        f'<text x="{_x(v)}" y="{SIDE - MARGIN + 14}" text-anchor="middle">{v:g}</text><text x="{MARGIN - 5}" y="{float(_y(v)) + 4:.1f}" text-anchor="end">{v:g}</text>'
        for v in (0, 0.5, 1)
    )
    names = f'<text x="{_x(0.5)}" y="{SIDE - 5}" text-anchor="middle">recall</text><text transform="translate(11 {_y(0.5)}) rotate(-90)" text-anchor="middle">precision</text>'
    return f'<g font-size="11" fill="#333">{numbers}{names}</g>'


def _images(title: str, images: Sequence[Mapping[str, Any]]) -> str:
    figures = ""
    for image in images:
        drawn = f'<img loading="lazy" src="{escape(quote(image["drawing"]))}" alt="{escape(image["name"])} with its predictions">' if image["drawing"] else ""
        figures += f"<figure>{drawn}<figcaption>{escape(image['name'])}<br>{escape(image['note'])}</figcaption></figure>"
    return _section(title, f'<div class="grid">{figures}</div>')
