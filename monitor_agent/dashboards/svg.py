"""Text, boxes and tables as SVG, for reports that are made without a browser (pure)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from monitor_agent.contracts.model_names import version_order
from monitor_agent.dashboards.palette import CJK_FONTS, FONT
from monitor_agent.dashboards.panel_views import TableView
from monitor_agent.dashboards.visible_text import visible

INK, SOFT, LINE, BACK, PANEL = "#1D2A3E", "#5A6376", "#E3E8F2", "#F6F9FC", "#FFFFFF"
GOOD, BAD = "#008A5E", "#C61E25"
ROW, CELL_SIZE, CELL_GAP, LEAST_WIDTH = 24.0, 12.0, 16.0, 48.0
SMALLEST = 0.7
BOLD = 1.06
"""Bold letters are wider by this factor."""
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

_NARROW = set("iIjl|.,:;'! ftr()[]-\N{MIDDLE DOT}")
_WIDE = set("mwMW%@")
_TEXT = re.compile(r"(<(?:text|tspan)\b[^>]*?\bfont-family=\")([^\"]*\"[^>]*>[^<]*)")


def text_width(text: str, size: float) -> float:
    """Return the approximate width of a text, in pixels, in the fonts of `palette.FONT`."""
    return sum(map(_ems, text)) * size


def _ems(char: str) -> float:
    if is_cjk(char):
        return 1.0
    return 0.32 if char in _NARROW else 0.86 if char in _WIDE else 0.67 if char.isupper() else 0.54


def is_cjk(char: str) -> bool:
    """Return whether a character is as wide as high: Chinese, Japanese and Korean ones are."""
    return not char.isascii() and unicodedata.east_asian_width(char) in ("W", "F")


def with_cjk_fonts(image: str) -> str:
    """Return an SVG image in which texts with Chinese, Japanese or Korean characters name fonts that have them.

    A renderer without a browser takes any font for a character that the named ones lack, such as one with serifs.
    """

    def named(match: re.Match[str]) -> str:
        return f"{match[1]}{CJK_FONTS}, {match[2]}" if any(map(is_cjk, match[2])) else match[0]

    return _TEXT.sub(named, image)


def fitting_size(text: str, width: float, size: float, least: float) -> float:
    """Return the size in which a text is at most `width` pixels wide, from `size` down to `least`."""
    while size > least and text_width(text, size) > width:
        size = max(size - 0.5, least)
    return size


def fitted(text: str, width: float, size: float) -> str:
    """Return the text, cut with an ellipsis if it is wider than `width` pixels."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + ELLIPSIS, size) > width:
        text = text[:-1]
    return text.rstrip() + ELLIPSIS


def text(
    x: float, y: float, content: str, size: float = 13, color: str = INK, weight: int = 400, anchor: str = "start"
) -> str:
    """Return a line of text whose base line is at `y`."""
    attributes = (
        f'x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{color}" font-weight="{weight}" text-anchor="{anchor}"'
    )
    return f"<text {attributes} font-family={quoteattr(FONT)}>{escape(visible(content))}</text>"


def box(x: float, y: float, width: float, height: float, fill: str, *, line: str = "none", corner: float = 0) -> str:
    """Return a rectangle."""
    attributes = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{corner:g}"'
    return f'<rect {attributes} fill="{fill}" stroke="{line}"/>'


def wrapped(content: str, width: float, size: float) -> list[str]:
    """Return a text as lines of at most `width` pixels.

    >>> wrapped("one two three", 60, 13)
    ['one two', 'three']
    """
    lines = [""]
    for word in content.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def nested(svg: str, x: float, y: float, prefix: str) -> str:
    """Return an SVG image to be put inside another one; its ids get a prefix, because other images use the same ids."""
    inner = re.sub(r'\bid="', f'id="{prefix}-', svg[svg.index("<svg") :])
    inner = re.sub(r"url\(#", f"url(#{prefix}-", inner)
    return inner.replace("<svg ", f'<svg x="{x:g}" y="{y:g}" ', 1)


def tick(x: float, y: float, color: str) -> str:
    """Return a check mark as a path, because few fonts have the character; its lower end is at `y`."""
    return f'<path d="M{x:g} {y - 5:g}l3.5 4l6 -9" fill="none" stroke="{color}" stroke-width="2"/>'


def table(view: TableView, x: float, y: float, width: float, height: float) -> str:
    """Return the rows of a table that fit, in its order, and a last line with the number of the other rows.

    A table that is too wide is drawn smaller, down to `SMALLEST`; then its cells are cut.
    """
    scale = max(SMALLEST, min(1.0, width / _natural_width(view)))
    rows = _table(view, width / scale, height / scale)
    return f'<g transform="translate({x:g} {y:g}) scale({scale:.4g})">{rows}</g>'


def _table(view: TableView, width: float, height: float) -> str:
    order = table_order(view)
    capacity = int((height - ROW) // ROW)
    visible = order if len(order) <= capacity else order[: max(capacity - 1, 0)]
    widths = _widths(view, visible, width)
    elements = [_row([column.label for column in view.columns], view, 0, widths, weight=600)]
    elements.append(box(0, ROW - 1, width, 1, "#CAD3E2"))
    for number, row in enumerate(visible, 1):
        elements.append(_row(view.texts[row], view, number * ROW, widths))
        elements.append(box(0, (number + 1) * ROW - 1, width, 1, LINE))
    if len(visible) < len(order):
        rest = f"and {len(order) - len(visible):,} more"
        elements.append(text(0, (len(visible) + 1) * ROW + 16, rest, CELL_SIZE, SOFT))
    return "".join(elements)


def table_order(view: TableView) -> list[int]:
    """Return the numbers of the rows as the table sorts them; rows without a value come last."""
    order = list(range(len(view.rows)))
    if view.sort is None:
        return order
    column, descending = view.sort
    with_value = [row for row in order if view.rows[row][column] is not None]
    without_value = [row for row in order if view.rows[row][column] is None]
    with_value.sort(key=lambda row: _sortable(view.rows[row][column]), reverse=descending)
    return with_value + without_value


def _sortable(value: object) -> tuple[Any, ...]:
    """Return a sort key; texts with numbers, such as versions, are ordered as on the page."""
    return (True, float(value)) if isinstance(value, (int, float)) else (False, version_order(str(value)))


def _natural_width(view: TableView) -> float:
    return sum(_natural_widths(view, range(len(view.rows))))


def _natural_widths(view: TableView, rows: Sequence[int]) -> list[float]:
    widths = []
    for number, column in enumerate(view.columns):
        cells = max((text_width(view.texts[row][number], CELL_SIZE) for row in rows), default=0.0)
        head = text_width(column.label, CELL_SIZE) * BOLD
        widths.append(max(cells, head) + CELL_GAP)
    return widths


def _widths(view: TableView, rows: Sequence[int], width: float) -> list[float]:
    """Return the widths of the columns, so that the table is `width` pixels wide."""
    widths = _natural_widths(view, rows)
    total = sum(widths)
    if total <= width:
        return [column_width + (width - total) / len(widths) for column_width in widths]
    # Columns of words are narrowed before those of numbers and times, the widest first; then all columns are.
    for kinds in (("string", "boolean"), ("string", "boolean", "number", "date")):
        flexible = [column.kind in kinds for column in view.columns]
        limit = max(widths)
        while sum(_narrowed(widths, flexible, limit)) > width and limit > LEAST_WIDTH:
            limit -= 4
        widths = _narrowed(widths, flexible, limit)
    return widths


def _narrowed(widths: Sequence[float], flexible: Sequence[bool], limit: float) -> list[float]:
    return [min(width, limit) if can_narrow else width for width, can_narrow in zip(widths, flexible, strict=True)]


def _row(cells: Sequence[str], view: TableView, y: float, widths: Sequence[float], weight: int = 400) -> str:
    elements, left = [], 0.0
    for cell, column, width in zip(cells, view.columns, widths, strict=True):
        at, anchor = (left + width - CELL_GAP, "end") if column.align == "right" else (left, "start")
        content = fitted(cell, width - CELL_GAP / 2, CELL_SIZE)
        elements.append(text(at, y + 16, content, CELL_SIZE, INK, weight, anchor))
        left += width
    return "".join(elements)
