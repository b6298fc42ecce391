"""Reports on A4 pages: what the first page says, where pages break, how pages become one document, CJK text."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest
import vl_convert

from monitor_agent.dashboards.assets import VEGA_LITE
from monitor_agent.dashboards.pdf_pages import joined
from monitor_agent.dashboards.report_pages import A4_HEIGHT, A4_WIDTH, pages, summary_page
from monitor_agent.dashboards.report_verdict import ModelVerdict, ReportedAlert, Verdict, verdict
from monitor_agent.dashboards.svg import text, with_cjk_fonts
from monitor_agent.diagnosis.machine import japanese_fonts
from monitor_agent.errors import DataError
from monitor_agent.kibana.times import TimeRange
from monitor_agent.metrics import ConfidenceInterval
from monitor_agent.pipeline.model_overview import FallenMeasure, FigureOfADay, ModelRow, Overview, VersionRow

NOW = datetime(2026, 11, 30, 14, tzinfo=timezone.utc)
WEEK = TimeRange(NOW - timedelta(days=7), NOW)
FIGURE = FigureOfADay("ctr", 0.07, ConfidenceInterval(0.06, 0.08))
FALL = FallenMeasure("rate", 0.069, 0.1, NOW - timedelta(hours=5), ConfidenceInterval(0.024, 0.038))
ALERT = ReportedAlert("critical", "A version is worse", "search", "2", "2026-11-30 10:00", "active", "CTR is lower")


def front(models: int = 1, alerts: int = 1) -> Verdict:
    """Return a verdict on some models."""
    rows = tuple(ModelVerdict(f"model-{number}", "critical", ("It fell.",)) for number in range(models))
    return Verdict(WEEK, NOW, "1 of 3 models needs attention.", good=False, models=rows, alerts=(ALERT,) * alerts)


def words(page: str) -> str:
    """Return the text of a page."""
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", page))


def test_the_verdict_says_what_fell_since_when_and_how_sure() -> None:
    """A sentence for each fall, the open alerts, the last day; alerts of the range with their end."""
    version = VersionRow("2", 400, FIGURE, "version", "1", (FALL,))
    row = ModelRow("search", NOW, 800, FIGURE, FIGURE, 1.0, 0, (version,), None, (), "critical")
    over = {"start": "2026-11-28T10:00:00Z", "end": "2026-11-28T11:00:00Z"}
    recovered = {"event": over, "rule": {"description": "No events"}, "state": "recovered", "severity": "critical"}
    hits = [{"_source": {**recovered, "active_since": over["start"]}}]
    answer = verdict(Overview(NOW, [row], newest_cycle=NOW), WEEK, {"hits": {"hits": hits}})

    assert answer.models[0].sentences == (
        "Version 2 against version 1: CTR 31 % lower: 6.90 % against 10.0 % since 2026-11-30 09:00 UTC "
        "(lower by 2.40 to 3.80 pp, 95 % interval; not by chance).",
        "Last 24 hours: 800 predictions; CTR 7.00 % (6.00 % to 8.00 %), +0.00 pp against the same day of last week.",
    )
    assert answer.alerts[0].cells[2:] == ("all", "all", "2026-11-28 10:00", "2026-11-28 11:00")


def test_many_alerts_go_on_to_the_next_page() -> None:
    """Every alert is on some page; each page has its number."""
    report = pages("Report", front(models=3, alerts=60), [], NOW, lambda _spec: "")

    assert len(report) > 1
    assert sum(words(page).count("A version is worse") for page in report) == 60
    for number, page in enumerate(report, 1):
        assert f"page {number} of {len(report)}" in words(page)


def test_a_summary_is_one_page() -> None:
    """What does not fit is counted."""
    assert "more: see the start page" in words(summary_page("Summary", front(models=30, alerts=60), NOW))
    assert "more:" not in words(summary_page("Summary", front(), NOW))


def test_pages_become_one_document() -> None:
    """The document has all pages, each of A4, with its text; its cross-reference table names where objects begin."""
    report = pages("Report", front(alerts=60), [], NOW, lambda _spec: "")
    document = joined([vl_convert.svg_to_pdf(page) for page in report], "Bericht über 搜索", NOW)

    assert re.search(rb"/Type /Pages /Count (\d+)", document)[1] == b"%d" % len(report)
    assert re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", document) == [
        (b"%.2f" % A4_WIDTH, b"%.2f" % A4_HEIGHT)
    ] * len(report)
    table = document[document.rindex(b"xref\n0 ") :]
    for number, offset in enumerate(re.findall(rb"(\d{10}) 00000 n", table), 1):
        assert document[int(offset) :].startswith(b"%d 0 obj" % number)
    with pytest.raises(DataError, match="unknown form"):
        joined([b"%PDF-1.7\n%%EOF"], "Report", NOW)


@pytest.mark.skipif(not japanese_fonts(), reason="no font with CJK characters: install fonts-noto-cjk")
def test_cjk_text_is_drawn() -> None:
    """Different characters give different pictures, in texts and in the labels of charts: no boxes, no gaps."""

    def picture(image: str) -> bytes:
        return bytes(vl_convert.svg_to_png(with_cjk_fonts(image)))

    def label(character: str) -> bytes:
        axis = {"field": "a", "type": "nominal"}
        spec = {"data": {"values": [{"a": character}]}, "mark": "bar", "encoding": {"x": axis}}
        return picture(str(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)))

    def line(character: str) -> bytes:
        size = 'xmlns="http://www.w3.org/2000/svg" width="40" height="40"'
        return picture(f"<svg {size}>{text(4, 30, character, 24)}</svg>")

    for draw in (line, label):
        assert len({draw(character) for character in ("搜", "検", "검", " ")}) == 4
