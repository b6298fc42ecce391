"""A chart whose series have names of any characters is drawn, and each name is in it."""

from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree

import pytest

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.assets import VEGA_LITE, charts_library
from monitor_agent.dashboards.palette import vega_config
from monitor_agent.dashboards.report_image import Image
from monitor_agent.dashboards.svg import text
from monitor_agent.dashboards.vega_lite import Axes, Point, Series, Threshold, specification
from monitor_agent.dashboards.visible_text import visible
from monitor_agent.kibana.tables import Annotation, TableColumn
from monitor_agent.kibana.times import TimeRange
from monitor_agent.pipeline.instants import milliseconds
from tests.factories import START
from tests.hostile_texts import HOSTILE_TEXTS

HOUR = timedelta(hours=1)
COLUMN = TableColumn("value", "Value", "number", bucketed=False, format=None)
NAMES = [formats.text(text, None, "string") for text in HOSTILE_TEXTS]


def test_different_texts_stay_different() -> None:
    """No two of them are shown as the same text, and none keeps a character that cannot be drawn."""
    assert len(set(map(visible, HOSTILE_TEXTS))) == len(HOSTILE_TEXTS)
    assert all(name.replace("\N{NO-BREAK SPACE}", "").isprintable() for name in NAMES)


@pytest.mark.parametrize(("kind", "time"), [("line", True), ("bar_stacked", True), ("bar", False), ("area", False)])
def test_series_of_any_name_are_drawn(kind: str, time: bool) -> None:
    """Neither a tooltip, nor the order of bars, nor an event breaks the chart."""
    groups = [milliseconds(START), milliseconds(START + HOUR)] if time else NAMES[:8]
    series = [
        Series(name, "#123456", False, 2.0, kind, COLUMN, tuple(Point(at, 0.5, "0.5") for at in groups))
        for name in NAMES
    ]
    axes = Axes(
        time=time,
        interval=3_600_000,
        range=TimeRange(START, START + 2 * HOUR),
        categories=() if time else tuple(NAMES[:8]),
        sideways=False,
        title_x=HOSTILE_TEXTS[3],
        title_y=HOSTILE_TEXTS[0],
        scale=formats.scale(None, 1.0),
        greatest=1.0,
        whole=False,
        extent=None,
        from_zero=True,
    )
    events = [Annotation(milliseconds(START), text) for text in HOSTILE_TEXTS[8:9]]
    spec = specification(series, axes, [Threshold(0.4, HOSTILE_TEXTS[3], "#123456")], events if time else [])
    sized = {**spec, "width": 2000, "height": 400, "config": vega_config(dark=False)}

    drawing = charts_library().vegalite_to_svg(sized, vl_version=VEGA_LITE)

    texts = {element.text for element in ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")}
    assert HOSTILE_TEXTS[3] in texts
    assert time or {NAMES[0], NAMES[5]} <= texts


def test_a_report_holds_texts_of_any_characters() -> None:
    """Its image is XML, and the picture and the document can be made of it."""
    lines = [text(20, 20 * number, content) for number, content in enumerate(HOSTILE_TEXTS, 1)]
    page = Image("".join([*lines, "<desc>\x00</desc>"]), 600, 500).text

    shown_texts = [element.text for element in ElementTree.fromstring(page).iter("{http://www.w3.org/2000/svg}text")]

    assert shown_texts == list(map(visible, HOSTILE_TEXTS))
    assert bytes(charts_library().svg_to_png(page)).startswith(b"\x89PNG")
    assert bytes(charts_library().svg_to_pdf(page)).startswith(b"%PDF")
