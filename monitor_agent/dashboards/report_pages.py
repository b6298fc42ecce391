"""A report on A4 pages: the verdict first, then the panels of each dashboard; no page break cuts a panel (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from monitor_agent.dashboards import svg
from monitor_agent.dashboards.report_front import LINE_HEIGHT, TEXT, Block, verdict_blocks
from monitor_agent.dashboards.report_image import (
    GAP,
    ROW,
    RenderChart,
    Sheet,
    draw_panel,
    panel_frame,
    selected_values,
    without_links,
)
from monitor_agent.dashboards.report_verdict import TIME, Verdict, range_words
from monitor_agent.dashboards.svg import INK, LINE, SOFT, box, text
from monitor_agent.dashboards.visible_text import xml_text
from monitor_agent.kibana.dashboard_model import DashboardPanel

A4_WIDTH, A4_HEIGHT = 595.28, 841.89
"""In points of 1/72 inch."""
EDGE, SCALE = 28.0, 0.6
WIDTH, HEIGHT = (A4_WIDTH - 2 * EDGE) / SCALE, (A4_HEIGHT - 2 * EDGE) / SCALE
"""The inner size of a page in the pixels of the drawing."""
TOP, FOOT = 34.0, 26.0
"""The heights of the line above the content, and of that below it."""


def pages(title: str, verdict: Verdict, sheets: Sequence[Sheet], now: datetime, render: RenderChart) -> list[str]:
    """Return the pages of a report as SVG images.

    Parameters
    ----------
    title : stands above every page.
    """
    bodies = list(_flowed(verdict_blocks(title, verdict, WIDTH)))
    for number, sheet in enumerate(sheets):
        bodies += _sheet_pages(sheet, render, f"d{number}")
    date = f"made {now.strftime(TIME)} UTC"
    return [_page(body, title, f"{date} · page {number} of {len(bodies)}") for number, body in enumerate(bodies, 1)]


def summary_page(title: str, verdict: Verdict, now: datetime) -> str:
    """Return the verdict as one page; what does not fit is counted in its last line."""
    blocks = verdict_blocks(title, verdict, WIDTH)
    first = next(iter(_flowed(blocks)))
    room, fitting = HEIGHT - TOP - FOOT - LINE_HEIGHT, 0
    while fitting < len(blocks) and room >= blocks[fitting].height:
        room -= blocks[fitting].height
        fitting += 1
    if fitting < len(blocks):
        rest = f"and {len(blocks) - fitting:,} more: see the start page"
        first = "".join([*_stacked(blocks[:fitting]), text(0, HEIGHT - FOOT - TOP - 6, rest, TEXT, SOFT)])
    return _page(first, title, f"made {now.strftime(TIME)} UTC")


def _stacked(blocks: Iterable[Block]) -> Iterator[str]:
    y = 0.0
    for block in blocks:
        yield f'<g transform="translate(0 {y:g})">{block.body}</g>'
        y += block.height


def _flowed(blocks: Iterable[Block]) -> Iterator[str]:
    """Yield the bodies of pages with blocks one below the other."""
    page: list[Block] = []
    for block in blocks:
        if page and sum(entry.height for entry in [*page, block]) > HEIGHT - TOP - FOOT:
            yield "".join(_stacked(page))
            page = []
        page.append(block)
    yield "".join(_stacked(page))


def _sheet_pages(sheet: Sheet, render: RenderChart, prefix: str) -> Iterator[str]:
    head = _sheet_head(sheet)
    room = HEIGHT - TOP - FOOT - head.height
    body, start = [head.body], 0
    panels = sorted(without_links(sheet.dashboard.panels), key=lambda panel: (panel.position.y, panel.position.x))
    for number, panel in enumerate(panels):
        bottom = (panel.position.y - start + panel.position.h) * (ROW + GAP)
        if bottom > room and len(body) > 1 and panel.position.y > start:
            yield "".join(body)
            head = Block("", 0)
            room, start, body = HEIGHT - TOP - FOOT, panel.position.y, [""]
        body.append(_placed(sheet, panel, start, head.height, render, f"{prefix}p{number}"))
    yield "".join(body)


def _placed(sheet: Sheet, panel: DashboardPanel, start: int, top: float, render: RenderChart, prefix: str) -> str:
    frame = panel_frame(panel, WIDTH, top - start * (ROW + GAP))
    lowest = HEIGHT - TOP - FOOT - frame.y
    return draw_panel(sheet, panel, replace(frame, height=min(frame.height, lowest)), render, prefix)


def _sheet_head(sheet: Sheet) -> Block:
    board = sheet.dashboard
    elements, y = (
        [text(0, 24, board.title, 22, INK, 700), text(WIDTH, 24, range_words(sheet.data.time), 13, INK, 600, "end")],
        24.0,
    )
    selected = " \N{MIDDLE DOT} ".join(selected_values(sheet))
    for line in [*svg.wrapped(board.description, WIDTH, 13), *svg.wrapped(selected, WIDTH, 13)]:
        y += 19
        elements.append(text(0, y, line, 13, SOFT))
    return Block("".join(elements), y + 16)


def _page(body: str, title: str, foot: str) -> str:
    head = text(0, 12, title, 11, SOFT) + box(0, 20, WIDTH, 1, LINE)
    line = text(WIDTH, HEIGHT - 2, foot, 11, SOFT, 400, "end")
    content = f'<g transform="translate(0 {TOP:g})">{body}</g>'
    place = f'<g transform="translate({EDGE:g} {EDGE:g}) scale({SCALE:g})">{head}{content}{line}</g>'
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    size = f'width="{A4_WIDTH:g}" height="{A4_HEIGHT:g}" viewBox="0 0 {A4_WIDTH:g} {A4_HEIGHT:g}"'
    return xml_text(f"<svg {names} {size}>{place}</svg>")
