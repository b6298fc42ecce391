"""The first page of a report as pieces of SVG: the headline, each model's sentences, the alerts (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor_agent.dashboards import svg
from monitor_agent.dashboards.report_verdict import (
    ALERT_COLUMNS,
    TIME,
    ModelVerdict,
    ReportedAlert,
    Verdict,
    range_words,
)
from monitor_agent.dashboards.start_page import STATE_WORDS
from monitor_agent.dashboards.svg import BAD, GOOD, INK, LINE, SOFT, box, text

LINE_HEIGHT, TEXT, ALERT_ROW = 21.0, 14.0, 24.0
WARN = "#9A6700"
STATE_COLORS = {"critical": BAD, "warning": WARN, "silent": SOFT, "ok": GOOD}
_COLUMNS = (0.0, 0.095, 0.47, 0.64, 0.72, 0.865)
"""Where the columns of alerts begin, as shares of the width."""


@dataclass(frozen=True)
class Block:
    """A piece of a page that is not cut: its elements, drawn from y = 0 on, and its height."""

    body: str
    height: float


def verdict_blocks(title: str, verdict: Verdict, width: float) -> list[Block]:
    """Return the first page of a report in pieces."""
    color = GOOD if verdict.good else BAD
    head = text(0, 30, title, 26, INK, 700)
    head += text(0, 56, f"At {verdict.moment.strftime(TIME)} UTC", TEXT, SOFT)
    lines = svg.wrapped(verdict.headline, width - 40, 19)
    head += box(0, 74, 4, 26 * len(lines) + 4, color)
    head += "".join(text(16, 95 + 26 * number, line, 19, INK, 600) for number, line in enumerate(lines))
    blocks = [Block(head, 74 + 26 * len(lines) + 24)]
    blocks += [_model_block(model, width) for model in verdict.models]
    blocks.append(Block(text(0, 34, f"Alerts, {range_words(verdict.time)}", 17, INK, 700), 46))
    if verdict.instead_of_alerts:
        lines = svg.wrapped(verdict.instead_of_alerts, width, TEXT)
        return [*blocks, *(Block(text(0, 16, line, TEXT, SOFT), LINE_HEIGHT) for line in lines)]
    blocks.append(_cells(ALERT_COLUMNS, width, 600, "#CAD3E2"))
    return [*blocks, *(_alert_block(alert, width) for alert in verdict.alerts)]


def _model_block(model: ModelVerdict, width: float) -> Block:
    color = STATE_COLORS[model.state]
    elements = [text(16, 18, model.name, 16, INK, 700)]
    name = svg.text_width(model.name, 16) * svg.BOLD
    elements.append(text(16 + name + 14, 18, STATE_WORDS[model.state], TEXT, color, 600))
    y = 18.0
    for sentence in model.sentences:
        for line in svg.wrapped(sentence, width - 24, TEXT):
            y += LINE_HEIGHT
            elements.append(text(16, y, line, TEXT, INK))
    elements.insert(0, box(0, 2, 4, y + 6, color))
    return Block("".join(elements), y + 26)


def _alert_block(alert: ReportedAlert, width: float) -> Block:
    color = BAD if alert.severity == "critical" else WARN
    row = _cells(alert.cells, width, 400, LINE, color)
    if not alert.message:
        return row
    message = text(width * _COLUMNS[1], 36, svg.fitted(alert.message, width * (1 - _COLUMNS[1]), 12), 12, SOFT)
    return Block(_cells(alert.cells, width, 400, LINE, color, ALERT_ROW + 20).body + message, ALERT_ROW + 20)


def _cells(
    cells: Sequence[str], width: float, weight: int, line: str, color: str = INK, height: float = ALERT_ROW
) -> Block:
    elements = [box(0, height - 1, width, 1, line)]
    ends = [*_COLUMNS[1:], 1.0]
    for number, (cell, start, end) in enumerate(zip(cells, _COLUMNS, ends, strict=True)):
        content = svg.fitted(cell, width * (end - start) - 8, 12.5)
        bold = 600 if number == 0 else weight
        elements.append(text(width * start, 17, content, 12.5, color if number == 0 else INK, bold))
    return Block("".join(elements), height)
