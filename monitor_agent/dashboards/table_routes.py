"""The addresses of the rows of a table that are not on its page, and of its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import NamedTuple

import orjson
from flask import Flask, Response, g, request, stream_with_context
from werkzeug.exceptions import NotFound

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.group_pages import SortOrder, group_page
from monitor_agent.dashboards.panel_views import TableView
from monitor_agent.dashboards.table_pages import document_page, whole_table
from monitor_agent.dashboards.visitor_work import VisitorWork
from monitor_agent.es.gateway import Gateway
from monitor_agent.kibana.data_views import DataView
from monitor_agent.kibana.filters import DashboardContext
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelSource
from monitor_agent.kibana.saved_search import SavedSearch


class AskedTable(NamedTuple):
    """What a panel shows, and the filters and the time zone of the request."""

    source: PanelSource
    context: DashboardContext
    zone: str


def register(
    app: Flask,
    views: Mapping[str, DataView],
    table: Callable[[str, str], AskedTable],
    gateway_of_reader: Callable[[], Gateway],
    searches: VisitorWork,
) -> None:
    """Let an application answer for the rows and the files of tables.

    Parameters
    ----------
    table : (dashboard, panel) -> what the request asks for.
    """

    @app.get("/dashboards/<name>/tables/<panel>")
    def rows(name: str, panel: str) -> Response:
        source, context, zone = table(name, panel)
        is_grouped = isinstance(source, LensPanel) and source.visualization == "lnsDatatable"
        if not is_grouped and not isinstance(source, SavedSearch):
            raise NotFound(f"{panel} is no table")
        gateway, page = gateway_of_reader(), request.args.get("page", 0, int)
        column = request.args.get("sort", None, int)
        order = None if column is None else SortOrder(column, falling="falling" in request.args)

        def read() -> TableView:
            formats.ZONE.set(zone)
            if isinstance(source, SavedSearch):
                return document_page(gateway, source, views, context, order, page)
            return group_page(gateway, source, views, context, order, page)

        return Response(orjson.dumps(searches.result(read, g.until)), mimetype="application/json")

    @app.get("/dashboards/<name>/tables/<panel>.csv")
    def file(name: str, panel: str) -> Response:
        source, context, _ = table(name, panel)
        lines = whole_table(gateway_of_reader(), source, views, context)
        response = Response(stream_with_context(chain(["\ufeff", next(lines)], lines)), mimetype="text/csv")
        response.headers["Content-Disposition"] = f"attachment; filename={panel}.csv"
        return response
