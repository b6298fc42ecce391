"""A dashboard with its data as one SVG image, laid out on the dashboard's own grid (pure)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from monitor_agent.dashboards import markdown, svg
from monitor_agent.dashboards.dashboard_data import Chosen, DashboardData
from monitor_agent.dashboards.palette import vega_config
from monitor_agent.dashboards.panel_views import Chart, Grid, Notice, PanelView, Tiles
from monitor_agent.dashboards.svg import BACK, BAD, GOOD, INK, LINE, PANEL, SOFT, box, text
from monitor_agent.dashboards.vega_lite import HOVER
from monitor_agent.kibana.dashboard_model import COLUMNS, Dashboard, DashboardPanel

Render = Callable[[dict[str, Any]], str]
"""A Vega-Lite specification -> an SVG image."""

WIDTH, MARGIN, GAP, ROW = 1440.0, 24.0, 8.0, 20.0
HEAD, TITLE, PAD, LEGEND = 76.0, 30.0, 12.0, 20.0


@dataclass(frozen=True)
class Sheet:
    """A dashboard, its data, and what was chosen on it."""

    dashboard: Dashboard
    board: DashboardData
    chosen: Chosen


@dataclass(frozen=True)
class Image:
    """An SVG image: its parts, and its size in pixels."""

    body: str
    width: float
    height: float

    @property
    def text(self) -> str:
        """Return the image as a file holds it."""
        size = f'width="{self.width:g}" height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}"'
        names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        return f"<svg {names} {size}>{box(0, 0, self.width, self.height, BACK)}{self.body}</svg>"


def image(sheets: list[Sheet], now: datetime, render: Render) -> Image:
    """Return the dashboards, one below the other."""
    parts, top = [], 0.0
    for number, sheet in enumerate(sheets):
        body, height = _sheet(sheet, now, render, f"d{number}", top)
        parts.append(body)
        top += height
    return Image("".join(parts), WIDTH, top)


def _sheet(sheet: Sheet, now: datetime, render: Render, prefix: str, top: float) -> tuple[str, float]:
    panels = list(without_links(sheet.dashboard.panels))
    rows = max((panel.position.y + panel.position.h for panel in panels), default=0)
    parts = [_head(sheet, now, top)]
    column = (WIDTH - 2 * MARGIN + GAP) / COLUMNS
    for number, panel in enumerate(panels):
        place = panel.position
        frame = Frame(
            x=MARGIN + place.x * column,
            y=top + HEAD + place.y * (ROW + GAP),
            width=place.w * column - GAP,
            height=place.h * (ROW + GAP) - GAP,
        )
        picture = sheet.board.pictures.get(panel.id)
        names = f"data-panel={quoteattr(f'{sheet.dashboard.id}/{panel.id}')} data-shows={quoteattr(_shows(picture))}"
        parts.append(f"<g {names}>{_panel(panel, picture, frame, render, f'{prefix}p{number}')}</g>")
    return "".join(parts), HEAD + rows * (ROW + GAP) + MARGIN


def _shows(picture: PanelView | None) -> str:
    """Return what a panel shows, for programs: `chart`, `tiles`, `table`, `text`, or a notice's tone."""
    if picture is None:
        return "text"
    return picture.body.tone if isinstance(picture.body, Notice) else picture.body.kind


def without_links(panels: Iterable[DashboardPanel]) -> Iterator[DashboardPanel]:
    """Yield the panels without those that lead to other dashboards; what is below a wide one of them moves up."""
    known = list(panels)
    gaps = [each.position for each in known if each.links and each.position.w == COLUMNS]
    for each in known:
        if not each.links:
            above = sum(gap.h for gap in gaps if gap.y < each.position.y)
            yield replace(each, position=replace(each.position, y=each.position.y - above))


def _head(sheet: Sheet, now: datetime, top: float) -> str:
    time, form = sheet.board.time, "%Y-%m-%d %H:%M"
    said = f"{time.start.strftime(form)} to {time.end.strftime(form)} UTC"
    filters = [
        f"{control.title}: {', '.join(values)}"
        for control in sheet.dashboard.controls
        if (values := sheet.chosen.get(control.id, control.selected))
    ]
    right = WIDTH - MARGIN
    return "".join(
        [
            text(MARGIN, top + 36, sheet.dashboard.title, 22, INK, 700),
            text(MARGIN, top + 58, svg.fitted(sheet.dashboard.description, WIDTH * 0.62, 12.5), 12.5, SOFT),
            text(right, top + 34, said, 14, INK, 600, "end"),
            text(
                right, top + 56, " \N{MIDDLE DOT} ".join([*filters, f"made {now.strftime(form)}"]), 12, SOFT, 400, "end"
            ),
        ]
    )


@dataclass(frozen=True)
class Frame:
    """A panel's place on the page."""

    x: float
    y: float
    width: float
    height: float


def _panel(panel: DashboardPanel, picture: PanelView | None, frame: Frame, render: Render, prefix: str) -> str:
    parts = [box(frame.x, frame.y, frame.width, frame.height, PANEL, line=LINE, corner=6)]
    title = picture.title if picture else panel.title
    if title:
        shown = svg.fitted(title, frame.width - 2 * PAD, 13)
        parts.append(text(frame.x + PAD, frame.y + 21, shown, 13, INK, 600))
    inner = Frame(
        frame.x + PAD,
        frame.y + (TITLE if title else 0),
        frame.width - 2 * PAD,
        frame.height - (TITLE if title else 0) - PAD / 2,
    )
    if picture is None:
        parts.append(_lines(panel, inner))
    elif isinstance(picture.body, Chart):
        parts.append(_chart(picture, picture.body, inner, render, prefix))
    elif isinstance(picture.body, Tiles):
        parts.append(_tiles(picture.body, inner))
    elif isinstance(picture.body, Grid):
        parts.append(svg.table(picture.body, inner.x, inner.y + 2, inner.width, inner.height - 4))
    else:
        parts.append(_notice(picture.body, inner))
    return "".join(parts)


def _lines(panel: DashboardPanel, frame: Frame) -> str:
    lines = [line for told in markdown.plain(panel.text) for line in svg.wrapped(told, frame.width, 13)]
    start = frame.y + frame.height / 2 - 9 * (len(lines) - 1) + 4
    return "".join(text(frame.x, start + 18 * number, line, 13, SOFT) for number, line in enumerate(lines))


def _notice(notice: Notice, frame: Frame) -> str:
    color = BAD if notice.tone == "error" else SOFT
    lines = svg.wrapped(notice.text, frame.width - 40, 12.5)
    start = frame.y + frame.height / 2 - 9 * (len(lines) - 1)
    middle = frame.x + frame.width / 2
    sign = svg.tick(middle - svg.text_width(lines[0], 12.5) / 2 - 18, start, GOOD) if notice.tone == "good" else ""
    return sign + "".join(
        text(middle, start + 18 * number, line, 12.5, color, 400, "middle") for number, line in enumerate(lines)
    )


def _tiles(tiles: Tiles, frame: Frame) -> str:
    parts, width = [], frame.width / len(tiles.tiles)
    for number, tile in enumerate(tiles.tiles):
        x, middle = frame.x + number * width, frame.y + frame.height / 2
        size = 28.0
        while size > 12 and svg.text_width(tile.text, size) > width - 20:
            size -= 1
        parts.append(box(x, frame.y + 6, 3, frame.height - 12, tile.color))
        if len(tiles.tiles) > 1:
            parts.append(text(x + 14, middle - 26, svg.fitted(tile.label, width - 20, 12), 12, SOFT))
        parts.append(text(x + 14, middle + (2 if tile.detail else 10), tile.text, size, INK, 600))
        parts.append(text(x + 14, middle + 24, svg.fitted(tile.detail, width - 20, 12), 12, SOFT))
    return "".join(parts)


def _chart(picture: PanelView, chart: Chart, frame: Frame, render: Render, prefix: str) -> str:
    height = frame.height - (LEGEND if chart.legend else 0)
    spec = copy.deepcopy(chart.spec)
    for layer in spec["layer"]:
        if layer.get("name") == HOVER:
            # Nobody points at paper.
            layer.pop("params")
            layer["encoding"] |= {"opacity": {"value": 0}}
            layer["encoding"].pop("tooltip")
    spec |= {"width": frame.width, "height": height, "autosize": {"type": "fit", "contains": "padding"}}
    spec["config"] = vega_config(dark=False)
    drawn = svg.nested(render(spec), frame.x, frame.y, prefix)
    told = escape(f"{picture.title}: {chart.summary}")
    return f'<g role="img"><title>{told}</title>{drawn}</g>{_legend(chart, frame)}'


def _legend(chart: Chart, frame: Frame) -> str:
    parts, x, y = [], frame.x, frame.y + frame.height - 5
    for entry in chart.legend:
        name = svg.fitted(entry.name, 180, 11.5)
        if x > frame.x and x + 18 + svg.text_width(name, 11.5) > frame.x + frame.width:
            parts.append(text(x, y, svg.ELLIPSIS, 11.5, SOFT))
            break
        dash = ' stroke-dasharray="3 2"' if entry.dashed else ""
        line = f'x1="{x:g}" y1="{y - 4:g}" x2="{x + 12:g}" y2="{y - 4:g}"'
        parts.append(f'<line {line} stroke="{entry.color}" stroke-width="{2 if entry.dashed else 3}"{dash}/>')
        parts.append(text(x + 17, y, name, 11.5, SOFT))
        x += 17 + svg.text_width(name, 11.5) + 16
    return "".join(parts)
