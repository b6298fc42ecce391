"""Dashboards as one file: a page (HTML), a picture (PNG, SVG) or a document (PDF), made without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from pathlib import Path

from monitor_agent.dashboards.assets import VEGA_LITE, charts_library
from monitor_agent.dashboards.dashboard_data import ControlValues, dashboard_data
from monitor_agent.dashboards.library import END, START, read_library
from monitor_agent.dashboards.report_image import Image, Sheet, image
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.gateway import Gateway
from monitor_agent.files import private_opener, written_out
from monitor_agent.kibana.dashboard_model import Dashboard
from monitor_agent.kibana.times import time_range

SUFFIXES = (".html", ".png", ".pdf", ".svg")
PNG_SCALE = 1.5

_HTML = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{margin:0;background:#F6F9FC}}svg{{display:block;margin:auto;width:100%;max-width:{width:g}px;height:auto}}
svg svg{{display:inline;margin:0;width:revert-layer;max-width:none;height:revert-layer}}</style></head>
<body>{svg}</body>
</html>
"""


@dataclass(frozen=True)
class ReportContent:
    """The content of a report.

    Attributes
    ----------
    dashboards : ids; none = the first dashboard.
    start, end : the time range, as the time picker writes it; empty = the range of each dashboard.
    control_values : control id -> values; other controls keep the values that their dashboard opens with.
    """

    dashboards: Sequence[str] = ()
    start: str = ""
    end: str = ""
    control_values: ControlValues = field(default_factory=dict)


def report(gateway: Gateway, folder: Path, out: Path, now: datetime, content: ReportContent) -> None:
    """Write dashboards with their data to one file; its kind follows from its suffix.

    Parameters
    ----------
    folder : the folder `kibana` with the saved objects.

    Raises
    ------
    SettingsError
        If the suffix is unknown.
    DataError
        If a dashboard or a control is unknown, a time cannot be read, or the file cannot be written.
    ElasticsearchError
        If Elasticsearch does not respond.
    MissingPackageError
        If the chart library is not installed.
    """
    if out.suffix not in SUFFIXES:
        raise SettingsError(f"{out} has an unknown suffix", f"use one of {', '.join(SUFFIXES)}")
    library, charts = read_library(folder), charts_library()
    dashboards = [library.dashboard(name) for name in content.dashboards or list(library.dashboards)[:1]]
    _require_controls(dashboards, content.control_values)
    sheets = []
    for board in dashboards:
        ids = [control.id for control in board.controls]
        values = {name: selected for name, selected in content.control_values.items() if name in ids}
        time = time_range(content.start or board.start or START, content.end or board.end or END, now)
        sheets.append(Sheet(board, dashboard_data(gateway, library, board, time, values), values))
    page = image(sheets, now, lambda spec: str(charts.vegalite_to_svg(spec, vl_version=VEGA_LITE)))
    _write(out, _encoded(out.suffix, ", ".join(board.title for board in dashboards), page))


def _require_controls(dashboards: Sequence[Dashboard], control_values: ControlValues) -> None:
    controls = dict.fromkeys(control.id for board in dashboards for control in board.controls)
    for name in control_values:
        if name not in controls:
            titles = ", ".join(board.title for board in dashboards)
            raise DataError(f"{titles}: no control is called {name}", f"there are {', '.join(controls) or 'none'}")


def _encoded(suffix: str, title: str, page: Image) -> bytes:
    charts = charts_library()
    if suffix == ".png":
        return bytes(charts.svg_to_png(page.text, scale=PNG_SCALE))
    if suffix == ".pdf":
        return bytes(charts.svg_to_pdf(page.text))
    if suffix == ".svg":
        return page.text.encode()
    return _HTML.format(title=escape(title), width=page.width, svg=page.text).encode()


def _write(out: Path, content: bytes) -> None:
    with written_out(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with open(out, "wb", opener=private_opener) as stream:
            stream.write(content)
