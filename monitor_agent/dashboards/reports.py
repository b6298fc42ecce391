"""Dashboards as one file: a page (HTML), a picture (PNG, SVG) or a document (PDF), made without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import ModuleType

from monitor_agent.dashboards import report_html, report_pages
from monitor_agent.dashboards.assets import VEGA_LITE, charts_library
from monitor_agent.dashboards.dashboard_data import ControlValues, dashboard_data
from monitor_agent.dashboards.library import END, START, read_library
from monitor_agent.dashboards.panel_views import Spec
from monitor_agent.dashboards.pdf_pages import joined
from monitor_agent.dashboards.report_image import RenderChart, Sheet, image
from monitor_agent.dashboards.report_verdict import Verdict, read_verdict, unread_verdict
from monitor_agent.dashboards.svg import with_cjk_fonts
from monitor_agent.errors import DataError, ElasticsearchError, SettingsError
from monitor_agent.es.gateway import Gateway
from monitor_agent.files import private_opener, written_out
from monitor_agent.kibana.dashboard_model import Dashboard
from monitor_agent.kibana.times import TimeRange, time_range

SUFFIXES = (".html", ".png", ".pdf", ".svg")
PNG_SCALE = 1.5
TITLE, SUMMARY_TITLE = "Model monitoring report", "Model monitoring summary"


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
    whole = TimeRange(min(sheet.data.time.start for sheet in sheets), max(sheet.data.time.end for sheet in sheets))
    try:
        front = read_verdict(gateway, whole, now)
    except ElasticsearchError as error:
        front = unread_verdict(whole, now, str(error))
    _write(out, _encoded(out.suffix, front, sheets, now, lambda spec: _chart_image(charts, spec)))


def summary(gateway: Gateway, time: TimeRange, now: datetime) -> bytes:
    """Return one A4 page (PDF): the state of all models at the end of a range in sentences, and the alerts within it.

    Raises
    ------
    ElasticsearchError
        If Elasticsearch does not respond.
    MissingPackageError
        If the chart library is not installed.
    """
    charts = charts_library()
    page = report_pages.summary_page(SUMMARY_TITLE, read_verdict(gateway, time, now), now)
    return joined([bytes(charts.svg_to_pdf(with_cjk_fonts(page)))], SUMMARY_TITLE, now)


def write_summary(gateway: Gateway, out: Path, now: datetime, start: str = "", end: str = "") -> None:
    """Write `summary` to a file.

    Raises
    ------
    SettingsError
        If the suffix is not `.pdf`.
    DataError
        If a time cannot be read, or the file cannot be written.
    ElasticsearchError
        If Elasticsearch does not respond.
    MissingPackageError
        If the chart library is not installed.
    """
    if out.suffix != ".pdf":
        raise SettingsError(f"{out} has an unknown suffix", "a summary is a .pdf")
    _write(out, summary(gateway, time_range(start or START, end or END, now), now))


def _chart_image(charts: ModuleType, spec: Spec) -> str:
    return str(charts.vegalite_to_svg(spec, vl_version=VEGA_LITE))


def _require_controls(dashboards: Sequence[Dashboard], control_values: ControlValues) -> None:
    controls = dict.fromkeys(control.id for board in dashboards for control in board.controls)
    for name in control_values:
        if name not in controls:
            titles = ", ".join(board.title for board in dashboards)
            raise DataError(f"{titles}: no control is called {name}", f"there are {', '.join(controls) or 'none'}")


def _encoded(suffix: str, front: Verdict, sheets: list[Sheet], now: datetime, render: RenderChart) -> bytes:
    charts = charts_library()
    if suffix == ".html":
        return report_html.page(TITLE, front, sheets, now, render).encode()
    if suffix == ".pdf":
        pages = report_pages.pages(TITLE, front, sheets, now, render)
        return joined([bytes(charts.svg_to_pdf(with_cjk_fonts(page))) for page in pages], TITLE, now)
    picture = with_cjk_fonts(image(TITLE, front, sheets, now, render).text)
    return bytes(charts.svg_to_png(picture, scale=PNG_SCALE)) if suffix == ".png" else picture.encode()


def _write(out: Path, content: bytes) -> None:
    with written_out(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with open(out, "wb", opener=private_opener) as stream:
            stream.write(content)
