"""A report as one web page without scripts: headings, tables, charts as SVG; it prints on A4 (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from monitor_agent.dashboards import markdown, svg
from monitor_agent.dashboards.panel_views import Chart, LegendEntry, Notice, PanelView, TableView, Tile, Tiles
from monitor_agent.dashboards.report_image import (
    GAP,
    ROW,
    RenderChart,
    Sheet,
    drawn_chart,
    names_of,
    selected_values,
    without_links,
)
from monitor_agent.dashboards.report_verdict import ALERT_COLUMNS, TIME, Verdict, range_words
from monitor_agent.dashboards.start_page import STATE_WORDS
from monitor_agent.dashboards.visible_text import visible, xml_text
from monitor_agent.kibana.dashboard_model import COLUMNS, DashboardPanel

WIDTH, PAD = 1200.0, 24.0
MOST_ROWS = 1000
"""The rows of a table; a page of more is slow, and nobody reads it."""

STYLE = Path(__file__).parent / "static" / "report.css"


def page(title: str, verdict: Verdict, sheets: Sequence[Sheet], now: datetime, render: RenderChart) -> str:
    """Return a report as the text of a file."""
    body = "".join([*_front(title, verdict, now), *(_sheet(sheet, n, render) for n, sheet in enumerate(sheets))])
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    style = STYLE.read_text(encoding="utf-8")
    return xml_text(
        f'<!doctype html>\n<html lang="en">\n<head>{head}\n<style>\n{style}</style></head>\n'
        f"<body><main>{body}</main></body>\n</html>\n"
    )


def _front(title: str, verdict: Verdict, now: datetime) -> Iterator[str]:
    yield f"<h1>{_text(title)}</h1>"
    yield f'<p class="soft">At {verdict.moment.strftime(TIME)} UTC, made {now.strftime(TIME)} UTC</p>'
    yield f'<p class="verdict {"good" if verdict.good else "bad"}">{_text(verdict.headline)}</p>'
    if verdict.models:
        yield "<h2>Models</h2>"
    for model in verdict.models:
        sentences = "".join(f"<p>{_text(sentence)}</p>" for sentence in model.sentences)
        head = f"<h3>{_text(model.name)} <b>{STATE_WORDS[model.state]}</b></h3>"
        yield f'<section class="model {model.state}">{head}{sentences}</section>'
    yield f"<h2>Alerts, {range_words(verdict.time)}</h2>"
    if verdict.instead_of_alerts:
        yield f"<p>{_text(verdict.instead_of_alerts)}</p>"
        return
    heads = "".join(f'<th scope="col">{name}</th>' for name in (*ALERT_COLUMNS, "What happened"))
    rows = "".join(
        f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in (*alert.cells, alert.message))}</tr>"
        for alert in verdict.alerts
    )
    yield f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _sheet(sheet: Sheet, number: int, render: RenderChart) -> str:
    board = sheet.dashboard
    facts = " \N{MIDDLE DOT} ".join([range_words(sheet.data.time), *selected_values(sheet)])
    panels = sorted(without_links(board.panels), key=lambda panel: (panel.position.y, panel.position.x))
    drawings = "".join(_panel(sheet, panel, f"d{number}p{place}", render) for place, panel in enumerate(panels))
    return (
        f'<section class="sheet"><h2>{_text(board.title)}</h2><p>{_text(facts)}</p>'
        f'<p class="soft">{_text(board.description)}</p><div class="board">{drawings}</div></section>'
    )


def _panel(sheet: Sheet, panel: DashboardPanel, prefix: str, render: RenderChart) -> str:
    view = sheet.data.panels.get(panel.id)
    title = view.title if view else panel.title
    head = f"<h3>{_text(title)}</h3>" if title else ""
    names = f'class="panel" {names_of(sheet, panel)} style="--w:{panel.position.w}"'
    return f"<section {names}>{head}{_body(panel, view, prefix, render)}</section>"


def _body(panel: DashboardPanel, view: PanelView | None, prefix: str, render: RenderChart) -> str:
    if view is None:
        return markdown.to_html(panel.text, lambda _name: None)
    if isinstance(view.body, Chart):
        return _chart(view.title, view.body, panel, prefix, render)
    if isinstance(view.body, Tiles):
        return _tiles(view.body)
    if isinstance(view.body, TableView):
        return _table(view.body)
    return _notice(view.body)


def _chart(title: str, chart: Chart, panel: DashboardPanel, prefix: str, render: RenderChart) -> str:
    width = panel.position.w * (WIDTH + GAP) / COLUMNS - GAP - PAD
    height = panel.position.h * (ROW + GAP) - GAP - 2 * PAD
    inner = svg.nested(drawn_chart(chart, width, height, render), 0, 0, prefix)
    size = f'viewBox="0 0 {width:g} {height:g}"'
    labels = f'role="img" aria-labelledby="{prefix}-title {prefix}-desc"'
    words = f'<title id="{prefix}-title">{_text(title)}</title><desc id="{prefix}-desc">{_text(chart.summary)}</desc>'
    entries = "".join(map(_legend_entry, chart.legend))
    legend = f'<figcaption><ul class="legend">{entries}</ul></figcaption>' if entries else ""
    drawing = f'{words}<g aria-hidden="true">{inner}</g>'
    image = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {labels}>{drawing}</svg>'
    return f"<figure>{image}{legend}</figure>{_remark(chart.note)}"


def _legend_entry(entry: LegendEntry) -> str:
    dashed = ' class="dashed"' if entry.dashed else ""
    return f'<li><span style="--color:{entry.color}"{dashed}></span>{_text(entry.name)}</li>'


def _tiles(tiles: Tiles) -> str:
    entries = "".join(_tile(tile, named=len(tiles.tiles) > 1) for tile in tiles.tiles)
    return f'<dl class="tiles">{entries}</dl>{_remark(tiles.note)}'


def _tile(tile: Tile, *, named: bool) -> str:
    label = f"<dt>{_text(tile.label)}</dt>" if named else ""
    facts = _text(" ".join(filter(None, (tile.detail, tile.sample))))
    value = f'<dd class="value">{_text(tile.text)}</dd>'
    return f'<div style="--color:{tile.color}">{label}{value}<dd><small>{facts}</small></dd></div>'


def _remark(note: str) -> str:
    return f"<p><small>{_text(note)}</small></p>" if note else ""


def _table(view: TableView) -> str:
    order = svg.table_order(view)
    heads = "".join(f'<th scope="col" class="{column.align}">{_text(column.label)}</th>' for column in view.columns)
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td class="{column.align}">{_text(cell)}</td>'
            for cell, column in zip(view.texts[row], view.columns, strict=True)
        )
        + "</tr>"
        for row in order[:MOST_ROWS]
    )
    rest = f"<p>and {len(order) - MOST_ROWS:,} more</p>" if len(order) > MOST_ROWS else ""
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{rest}'


def _notice(notice: Notice) -> str:
    sign = "\N{CHECK MARK} " if notice.tone == "good" else ""
    return f'<p class="{notice.tone}">{sign}{_text(notice.text)}</p>'


def _text(content: str) -> str:
    return escape(visible(content))
