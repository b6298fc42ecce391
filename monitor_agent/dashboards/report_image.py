"""A dashboard with its data as one SVG image, laid out on the dashboard's own grid (pure)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from monitor_agent.dashboards import markdown, svg
from monitor_agent.dashboards.dashboard_data import ControlValues, DashboardData
from monitor_agent.dashboards.palette import vega_config
from monitor_agent.dashboards.panel_views import Chart, Notice, PanelView, Spec, TableView, Tile, Tiles
from monitor_agent.dashboards.report_front import verdict_blocks
from monitor_agent.dashboards.report_verdict import TIME, Verdict, range_words
from monitor_agent.dashboards.svg import BACK, BAD, GOOD, INK, LINE, PANEL, SOFT, box, text
from monitor_agent.dashboards.time_layers import HOVER
from monitor_agent.dashboards.visible_text import xml_text
from monitor_agent.kibana.dashboard_model import COLUMNS, Dashboard, DashboardPanel

RenderChart = Callable[[Spec], str]
"""Returns the SVG image of a Vega-Lite specification."""

WIDTH, MARGIN, GAP, ROW = 1440.0, 24.0, 8.0, 20.0
HEAD, TITLE, PAD, LEGEND = 76.0, 30.0, 12.0, 20.0
TILE_ROW = 38.0


@dataclass(frozen=True)
class Sheet:
    """A dashboard of a report, its data, and the values of its controls."""

    dashboard: Dashboard
    data: DashboardData
    control_values: ControlValues


@dataclass(frozen=True)
class Image:
    """An SVG image: its elements, and its size in pixels."""

    body: str
    width: float
    height: float

    @property
    def text(self) -> str:
        """Return the image as the text of a file."""
        size = f'width="{self.width:g}" height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}"'
        names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        return xml_text(f"<svg {names} {size}>{box(0, 0, self.width, self.height, BACK)}{self.body}</svg>")


@dataclass(frozen=True)
class Frame:
    """A panel's place on the page."""

    x: float
    y: float
    width: float
    height: float


def image(title: str, verdict: Verdict, sheets: list[Sheet], now: datetime, render: RenderChart) -> Image:
    """Return the verdict and the dashboards, one below the other."""
    elements, top = [], MARGIN
    for block in verdict_blocks(title, verdict, WIDTH - 2 * MARGIN):
        elements.append(f'<g transform="translate({MARGIN:g} {top:g})">{block.body}</g>')
        top += block.height
    for number, sheet in enumerate(sheets):
        body, height = _sheet(sheet, now, render, f"d{number}", top)
        elements.append(body)
        top += height
    return Image("".join(elements), WIDTH, top)


def _sheet(sheet: Sheet, now: datetime, render: RenderChart, prefix: str, top: float) -> tuple[str, float]:
    panels = list(without_links(sheet.dashboard.panels))
    rows = max((panel.position.y + panel.position.h for panel in panels), default=0)
    elements = [_head(sheet, now, top)]
    for number, panel in enumerate(panels):
        frame = panel_frame(panel, WIDTH - 2 * MARGIN, top + HEAD)
        frame = replace(frame, x=frame.x + MARGIN)
        elements.append(draw_panel(sheet, panel, frame, render, f"{prefix}p{number}"))
    return "".join(elements), HEAD + rows * (ROW + GAP) + MARGIN


def panel_frame(panel: DashboardPanel, width: float, top: float) -> Frame:
    """Return the place of a panel on a grid of `width` pixels that begins at x = 0 and y = `top`."""
    position, column = panel.position, (width + GAP) / COLUMNS
    return Frame(
        x=position.x * column,
        y=top + position.y * (ROW + GAP),
        width=position.w * column - GAP,
        height=position.h * (ROW + GAP) - GAP,
    )


def draw_panel(sheet: Sheet, panel: DashboardPanel, frame: Frame, render: RenderChart, prefix: str) -> str:
    """Return a panel as a group that names it; its ids begin with `prefix`."""
    view = sheet.data.panels.get(panel.id)
    return f"<g {names_of(sheet, panel)}>{_panel(panel, view, frame, render, prefix)}</g>"


def names_of(sheet: Sheet, panel: DashboardPanel) -> str:
    """Return the attributes that tell programs which panel this is, and what it shows."""
    shows = _shows(sheet.data.panels.get(panel.id))
    return f"data-panel={quoteattr(f'{sheet.dashboard.id}/{panel.id}')} data-shows={quoteattr(shows)}"


def _shows(view: PanelView | None) -> str:
    """Return the kind of a panel's view, for programs: `chart`, `tiles`, `table`, `text`, or a notice's tone."""
    if view is None:
        return "text"
    return view.body.tone if isinstance(view.body, Notice) else view.body.kind


def without_links(panels: Iterable[DashboardPanel]) -> Iterator[DashboardPanel]:
    """Yield the panels without links to other dashboards; panels below a row of links move up."""
    panels = list(panels)
    gaps = [panel.position for panel in panels if panel.links and panel.position.w == COLUMNS]
    for panel in panels:
        if not panel.links:
            above = sum(gap.h for gap in gaps if gap.y < panel.position.y)
            yield replace(panel, position=replace(panel.position, y=panel.position.y - above))


def selected_values(sheet: Sheet) -> list[str]:
    """Return what is chosen in each control that filters."""
    return [
        f"{control.title}: {', '.join(values)}"
        for control in sheet.dashboard.controls
        if (values := sheet.control_values.get(control.id, control.selected))
    ]


def _head(sheet: Sheet, now: datetime, top: float) -> str:
    filters, right = selected_values(sheet), WIDTH - MARGIN
    note = " \N{MIDDLE DOT} ".join([*filters, f"made {now.strftime(TIME)}"])
    return "".join(
        [
            text(MARGIN, top + 36, sheet.dashboard.title, 22, INK, 700),
            text(MARGIN, top + 58, svg.fitted(sheet.dashboard.description, WIDTH * 0.62, 12.5), 12.5, SOFT),
            text(right, top + 34, range_words(sheet.data.time), 14, INK, 600, "end"),
            text(right, top + 56, note, 12, SOFT, 400, "end"),
        ]
    )


def _panel(panel: DashboardPanel, view: PanelView | None, frame: Frame, render: RenderChart, prefix: str) -> str:
    elements = [box(frame.x, frame.y, frame.width, frame.height, PANEL, line=LINE, corner=6)]
    title = view.title if view else panel.title
    if title:
        size = svg.fitting_size(title, frame.width - 2 * PAD, 13, 10.5)
        content = svg.fitted(title, frame.width - 2 * PAD, size)
        elements.append(text(frame.x + PAD, frame.y + 21, content, size, INK, 600))
    inner = Frame(
        frame.x + PAD,
        frame.y + (TITLE if title else 0),
        frame.width - 2 * PAD,
        frame.height - (TITLE if title else 0) - PAD / 2,
    )
    if view is None:
        elements.append(_lines(panel, inner))
    elif isinstance(view.body, Chart):
        elements.append(_chart(view.title, view.body, inner, render, prefix))
    elif isinstance(view.body, Tiles):
        elements.append(_tiles(view.body, inner))
    elif isinstance(view.body, TableView):
        elements.append(svg.table(view.body, inner.x, inner.y + 2, inner.width, inner.height - 4))
    else:
        elements.append(_notice(view.body, inner))
    return "".join(elements)


def _lines(panel: DashboardPanel, frame: Frame) -> str:
    lines = [line for paragraph in markdown.plain(panel.text) for line in svg.wrapped(paragraph, frame.width, 13)]
    start = frame.y + frame.height / 2 - 9 * (len(lines) - 1) + 4
    return "".join(text(frame.x, start + 18 * number, line, 13, SOFT) for number, line in enumerate(lines))


def _notice(notice: Notice, frame: Frame) -> str:
    color = BAD if notice.tone in ("error", "incomplete") else SOFT
    lines = svg.wrapped(notice.text, frame.width - 40, 12.5)
    capacity = max(int(frame.height // 18), 1)
    if len(lines) > capacity:
        lines = [*lines[: capacity - 1], svg.ELLIPSIS]
    start = frame.y + frame.height / 2 - 9 * (len(lines) - 1)
    middle = frame.x + frame.width / 2
    sign = svg.tick(middle - svg.text_width(lines[0], 12.5) / 2 - 18, start, GOOD) if notice.tone == "good" else ""
    return sign + "".join(
        text(middle, start + 18 * number, line, 12.5, color, 400, "middle") for number, line in enumerate(lines)
    )


def _tiles(tiles: Tiles, frame: Frame) -> str:
    note, frame = _note(tiles.note, frame)
    if len(tiles.tiles) == 1:
        return _tile(tiles.tiles[0], frame) + note
    capacity = max(int(frame.height // TILE_ROW), 1)
    fitting = tiles.tiles if len(tiles.tiles) <= capacity else tiles.tiles[: capacity - 1]
    elements = [_tile_row(tile, frame, frame.y + number * TILE_ROW) for number, tile in enumerate(fitting)]
    if len(fitting) < len(tiles.tiles):
        y = frame.y + len(fitting) * TILE_ROW + 16
        elements.append(text(frame.x, y, f"and {len(tiles.tiles) - len(fitting):,} more", 11, SOFT))
    return "".join([*elements, note])


def _tile(tile: Tile, frame: Frame) -> str:
    middle, width = frame.y + frame.height / 2, frame.width - 20
    size = svg.fitting_size(tile.text, width, 28, 12)
    lines = [line for line in (tile.detail, tile.sample) if line]
    elements = [box(frame.x, frame.y + 6, 3, frame.height - 12, tile.color)]
    elements.append(text(frame.x + 14, middle + 10 - 8 * len(lines), tile.text, size, INK, 600))
    for number, line in enumerate(lines):
        y = middle + 30 - 8 * len(lines) + 16 * number
        elements.append(text(frame.x + 14, y, svg.fitted(line, width, 12), 12, SOFT))
    return "".join(elements)


def _tile_row(tile: Tile, frame: Frame, y: float) -> str:
    """Return one of several numbers: its name and the number, below them the change and the sample."""
    right = frame.x + frame.width
    room = frame.width - 10 - svg.text_width(tile.text, 14) - 4
    size = svg.fitting_size(tile.label, room, 12, 10)
    sample = frame.width - 10 - svg.text_width(tile.sample, 10) - 4
    return "".join(
        [
            box(frame.x, y + 2, 3, TILE_ROW - 6, tile.color),
            text(frame.x + 10, y + 15, svg.fitted(tile.label, room, size), size, INK, 600),
            text(right, y + 15, tile.text, 14, SOFT if tile.weak else INK, 400 if tile.weak else 600, "end"),
            text(frame.x + 10, y + 31, svg.fitted(tile.detail, sample, 10), 10, SOFT),
            text(right, y + 31, tile.sample, 10, SOFT, 400, "end"),
        ]
    )


def _note(note: str, frame: Frame) -> tuple[str, Frame]:
    """Return the line below a picture, and the place that is left for the picture."""
    if not note:
        return "", frame
    line = text(frame.x, frame.y + frame.height - 3, svg.fitted(note, frame.width, 11), 11, SOFT)
    return line, replace(frame, height=frame.height - 18)


def _chart(title: str, chart: Chart, frame: Frame, render: RenderChart, prefix: str) -> str:
    note, frame = _note(chart.note, frame)
    height = frame.height - (LEGEND if chart.legend else 0)
    drawing = svg.nested(drawn_chart(chart, frame.width, height, render), frame.x, frame.y, prefix)
    summary = escape(f"{title}: {chart.summary}")
    return f'<g role="img"><title>{summary}</title><g aria-hidden="true">{drawing}</g></g>{_legend(chart, frame)}{note}'


def drawn_chart(chart: Chart, width: float, height: float, render: RenderChart) -> str:
    """Return a chart as an SVG image of a size in pixels."""
    spec = copy.deepcopy(chart.spec)
    for layer in spec["layer"]:
        if layer.get("name") == HOVER:
            # A report has no pointer, so the layer needs no tooltips.
            layer.pop("params")
            layer["encoding"] |= {"opacity": {"value": 0}}
            layer["encoding"].pop("tooltip")
    spec |= {"width": width, "height": height, "autosize": {"type": "fit", "contains": "padding"}}
    spec["config"] = vega_config(dark=False)
    return render(spec)


def _legend(chart: Chart, frame: Frame) -> str:
    elements, x, y = [], frame.x, frame.y + frame.height - 5
    for entry in chart.legend:
        name = svg.fitted(entry.name, 180, 11.5)
        if x > frame.x and x + 18 + svg.text_width(name, 11.5) > frame.x + frame.width:
            elements.append(text(x, y, svg.ELLIPSIS, 11.5, SOFT))
            break
        dash = ' stroke-dasharray="3 2"' if entry.dashed else ""
        line = f'x1="{x:g}" y1="{y - 4:g}" x2="{x + 12:g}" y2="{y - 4:g}"'
        elements.append(f'<line {line} stroke="{entry.color}" stroke-width="{2 if entry.dashed else 3}"{dash}/>')
        elements.append(text(x + 17, y, name, 11.5, SOFT))
        x += 17 + svg.text_width(name, 11.5) + 16
    return "".join(elements)
