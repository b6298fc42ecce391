"""Text, boxes and tables as SVG, for pages that no browser lays out (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from monitor_agent.dashboards.palette import FONT
from monitor_agent.dashboards.panel_views import Grid

INK, SOFT, LINE, BACK, PANEL = "#1D2A3E", "#5A6376", "#E3E8F2", "#F6F9FC", "#FFFFFF"
GOOD, BAD = "#008A5E", "#C61E25"
ROW, CELL_SIZE, CELL_GAP, LEAST_WIDTH = 24.0, 12.0, 16.0, 48.0
BOLD = 1.06
"""How much wider bold letters are."""
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

_NARROW = set("iIjl|.,:;'! ftr()[]-\N{MIDDLE DOT}")
_WIDE = set("mwMW%@")


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is, in pixels, in the fonts of `palette.FONT`."""
    ems = (0.32 if sign in _NARROW else 0.86 if sign in _WIDE else 0.67 if sign.isupper() else 0.54 for sign in text)
    return sum(ems) * size


def fitted(text: str, width: float, size: float) -> str:
    """Return as much of a text as fits into `width` pixels."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + ELLIPSIS, size) > width:
        text = text[:-1]
    return text.rstrip() + ELLIPSIS


def text(
    x: float, y: float, what: str, size: float = 13, color: str = INK, weight: int = 400, anchor: str = "start"
) -> str:
    """Return a line of text whose base line is at `y`."""
    attributes = (
        f'x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{color}" font-weight="{weight}" text-anchor="{anchor}"'
    )
    return f"<text {attributes} font-family={quoteattr(FONT)}>{escape(what)}</text>"


def box(x: float, y: float, width: float, height: float, fill: str, *, line: str = "none", corner: float = 0) -> str:
    """Return a rectangle."""
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{corner:g}"'
    return f'<rect {place} fill="{fill}" stroke="{line}"/>'


def wrapped(what: str, width: float, size: float) -> list[str]:
    """Return a text as lines that fit into `width` pixels.

    >>> wrapped("one two three", 60, 13)
    ['one two', 'three']
    """
    lines = [""]
    for word in what.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def nested(svg: str, x: float, y: float, prefix: str) -> str:
    """Return a whole SVG image as a part of another one; its ids get a prefix, as other images use the same."""
    inner = re.sub(r'\bid="', f'id="{prefix}-', svg[svg.index("<svg") :])
    inner = re.sub(r"url\(#", f"url(#{prefix}-", inner)
    return inner.replace("<svg ", f'<svg x="{x:g}" y="{y:g}" ', 1)


def tick(x: float, y: float, color: str) -> str:
    """Return a check mark whose lower end is at `y`; few fonts have the character."""
    return f'<path d="M{x:g} {y - 5:g}l3.5 4l6 -9" fill="none" stroke="{color}" stroke-width="2"/>'


def table(grid: Grid, x: float, y: float, width: float, height: float) -> str:
    """Return the rows of a table that fit, in its order; a last line says how many are left out."""
    order = list(range(len(grid.rows)))
    if grid.sort is not None:
        column, falling = grid.sort
        known = [row for row in order if grid.rows[row][column] is not None]
        unknown = [row for row in order if grid.rows[row][column] is None]
        known.sort(key=lambda row: _sortable(grid.rows[row][column]), reverse=falling)
        order = known + unknown
    room = int((height - ROW) // ROW)
    shown = order if len(order) <= room else order[: max(room - 1, 0)]
    widths = _widths(grid, shown, width)
    parts = [_row([each.label for each in grid.columns], grid, x, y, widths, weight=600)]
    parts.append(box(x, y + ROW - 1, width, 1, "#CAD3E2"))
    for number, row in enumerate(shown, 1):
        parts.append(_row(grid.texts[row], grid, x, y + number * ROW, widths))
        parts.append(box(x, y + (number + 1) * ROW - 1, width, 1, LINE))
    if len(shown) < len(order):
        left = f"and {len(order) - len(shown):,} more"
        parts.append(text(x, y + (len(shown) + 1) * ROW + 16, left, CELL_SIZE, SOFT))
    return "".join(parts)


def _sortable(value: object) -> tuple[bool, float, str]:
    return (True, float(value), "") if isinstance(value, (int, float)) else (False, 0.0, str(value))


def _widths(grid: Grid, shown: Iterable[int], width: float) -> list[float]:
    rows = list(shown)
    wanted = []
    for number, column in enumerate(grid.columns):
        cells = max((text_width(grid.texts[row][number], CELL_SIZE) for row in rows), default=0.0)
        head = text_width(column.label, CELL_SIZE) * BOLD
        wanted.append(max(cells, head) + CELL_GAP)
    total = sum(wanted)
    if total <= width:
        return [each + (width - total) / len(wanted) for each in wanted]
    # Words give way before numbers and times, the widest first; then everything does.
    for kinds in (("string", "boolean"), ("string", "boolean", "number", "date")):
        yielding = [column.kind in kinds for column in grid.columns]
        limit = max(wanted)
        while sum(_narrowed(wanted, yielding, limit)) > width and limit > LEAST_WIDTH:
            limit -= 4
        wanted = _narrowed(wanted, yielding, limit)
    return wanted


def _narrowed(widths: Sequence[float], yielding: Sequence[bool], limit: float) -> list[float]:
    return [min(each, limit) if yields else each for each, yields in zip(widths, yielding, strict=True)]


def _row(cells: Sequence[str], grid: Grid, x: float, y: float, widths: Sequence[float], weight: int = 400) -> str:
    parts, left = [], x
    for cell, column, width in zip(cells, grid.columns, widths, strict=True):
        right = column.align == "right"
        at, anchor = (left + width - CELL_GAP, "end") if right else (left, "start")
        shown = fitted(cell, width - CELL_GAP / 2, CELL_SIZE)
        parts.append(text(at, y + 16, shown, CELL_SIZE, INK, weight, anchor))
        left += width
    return "".join(parts)
