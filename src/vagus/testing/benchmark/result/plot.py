"""A report as one SVG picture: a bar for each lane of each figure, longest lane of a row across the whole width."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from vagus.testing.benchmark.result.bar import spoken
from vagus.testing.benchmark.result.figure import short
from vagus.testing.benchmark.result.report import Report, Row

_WIDTH = 900
_LEFT = 300
_BARS = 440
_LINE = 18
_COLOURS = {"vagus": "#2563eb", "raw": "#94a3b8"}
_STYLE = "text{font:12px system-ui,sans-serif;fill:#334155}.title{font-weight:600;fill:#0f172a}"


def drawing(report: Report) -> str:
    """Return the picture. The `bare` lane is left out: it is there to scale by, and would dwarf the others."""
    shapes = []
    y = 28.0
    for found in report.findings:
        if not found.rows:
            continue
        title = f"{found.workload} {found.title}" + (f", {found.system}" if found.system else "")
        shapes.append(_text(12, y, title, "title"))
        y += _LINE
        for row in found.rows:
            shapes += _row(row, y)
            y += _LINE * len(_shown(row)) + 4
        y += _LINE
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y:g}" width="{_WIDTH}" height="{y:g}">'
    ground = f'<rect width="{_WIDTH}" height="{y:g}" fill="#ffffff"/>'
    return "\n".join((head, f"<style>{_STYLE}</style>", ground, *shapes, "</svg>\n"))


def _shown(row: Row) -> list[str]:
    return [name for name in row.lanes if name != "bare"]


def _row(row: Row, y: float) -> Iterator[str]:
    most = max(row.lanes[name].high for name in _shown(row)) or 1.0
    yield _text(24, y + 10, row.case)
    for number, name in enumerate(_shown(row)):
        top, found = y + number * _LINE, row.lanes[name]
        scale = _BARS / most
        colour = _COLOURS.get(name, "#cbd5e1")
        yield f'<rect x="{_LEFT}" y="{top:g}" width="{found.median * scale:.1f}" height="13" fill="{colour}"/>'
        x1, x2, middle = _LEFT + found.low * scale, _LEFT + found.high * scale, top + 6.5
        yield f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{middle:g}" y2="{middle:g}" stroke="#0f172a"/>'
        yield _text(_LEFT + _BARS + 12, top + 10, f"{name} {short(found.median)}{spoken(row.unit)}")


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    look = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{look}>{escape(text)}</text>'
