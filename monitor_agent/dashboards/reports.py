"""Dashboards as one file: a page (HTML), a picture (PNG) or a document (PDF), made without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from monitor_agent.dashboards.assets import VEGA_LITE, charts_library
from monitor_agent.dashboards.dashboard_data import Chosen, board
from monitor_agent.dashboards.library import END, START, read_library
from monitor_agent.dashboards.page import Image, Sheet, image
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.gateway import Gateway
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


def report(
    gateway: Gateway,
    folder: Path,
    out: Path,
    now: datetime,
    *,
    dashboards: Sequence[str] = (),
    start: str = "",
    end: str = "",
    chosen: Chosen | None = None,
) -> None:
    """Write dashboards with their data to one file; what it is follows from its suffix.

    Parameters
    ----------
    folder : of the saved objects.
    dashboards : ids; none = the first one.
    start, end : the time range, as the time picker writes it; empty = that of each dashboard.
    chosen : control -> values; controls that are not in it keep what their dashboard opens with.

    Raises DataError for unknown dashboards and times, ElasticsearchError, and StackError without the chart library.
    """
    if out.suffix not in SUFFIXES:
        raise SettingsError(f"{out} has no suffix that is known", f"use one of {', '.join(SUFFIXES)}")
    library, charts = read_library(folder), charts_library()
    shown = [library.dashboard(name) for name in dashboards or list(library.dashboards)[:1]]
    _require_known(shown, chosen or {})
    sheets = []
    for each in shown:
        own = {control.id: chosen[control.id] for control in each.controls if chosen and control.id in chosen}
        time = time_range(start or each.start or START, end or each.end or END, now)
        sheets.append(Sheet(each, board(gateway, library, each, time, own), own))
    page = image(sheets, now, lambda spec: str(charts.vegalite_to_svg(spec, vl_version=VEGA_LITE)))
    _write(out, _content(out.suffix, ", ".join(each.title for each in shown), page))


def _require_known(dashboards: Sequence[Dashboard], chosen: Chosen) -> None:
    known = dict.fromkeys(control.id for each in dashboards for control in each.controls)
    for name in chosen:
        if name not in known:
            titles = ", ".join(each.title for each in dashboards)
            raise DataError(f"{titles}: no control is called {name}", f"there are {', '.join(known) or 'none'}")


def _content(suffix: str, title: str, page: Image) -> bytes:
    charts = charts_library()
    if suffix == ".png":
        return bytes(charts.svg_to_png(page.text, scale=PNG_SCALE))
    if suffix == ".pdf":
        return bytes(charts.svg_to_pdf(page.text))
    if suffix == ".svg":
        return page.text.encode()
    return _HTML.format(title=escape(title), width=page.width, svg=page.text).encode()


def _write(out: Path, content: bytes) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(content)
    except OSError as error:
        raise DataError(f"{out} cannot be written ({error.strerror})", "name another --out") from error
