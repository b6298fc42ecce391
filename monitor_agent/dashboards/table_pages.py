"""All rows of a table: pages of documents that Elasticsearch sorts, and files of everything."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

from monitor_agent.dashboards.data_tables import data_table, table_view
from monitor_agent.dashboards.group_pages import SortOrder, all_group_tables
from monitor_agent.dashboards.panel_views import TableView
from monitor_agent.dashboards.rendering import document_fields
from monitor_agent.errors import DataError
from monitor_agent.es.gateway import Gateway
from monitor_agent.kibana.all_groups import has_all_groups
from monitor_agent.kibana.filters import DashboardContext
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.lens_searches import Views
from monitor_agent.kibana.panel_query import PanelSource, panel_query
from monitor_agent.kibana.saved_search import SavedSearch
from monitor_agent.kibana.tables import Value

MOST_SORTED = 10_000
"""Elasticsearch sorts no more documents for pages (`index.max_result_window`); a file holds all."""
SCAN_PAGE = 2_000
_FORMULA = re.compile(r"[\t\r\n]|[\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠]")


def document_page(
    gateway: Gateway, search: SavedSearch, views: Views, context: DashboardContext, order: SortOrder | None, page: int
) -> TableView:
    """Return one page of the documents of a saved search, sorted by Elasticsearch.

    Parameters
    ----------
    order : None = the order of the saved search.
    page : number of the page, from 0 on.

    Raises
    ------
    DataError
        If the page or the column lies beyond those of the table.
    """
    view = views[search.view]
    body = search.body(view, context)
    size = table_view(search.table(view, {"hits": {"hits": [], "total": {"value": 0}}})).page
    names = [entry["field"] for entry in body["fields"]]
    if order is not None:
        order.check(len(names))
        direction = "desc" if order.falling else "asc"
        by_column = {"order": direction, "unmapped_type": "keyword", "missing": "_last"}
        body["sort"] = [{names[order.column]: by_column}, *body["sort"]]
    if not 0 <= page * size < MOST_SORTED:
        raise DataError(f"only the first {MOST_SORTED:,} rows are sorted", "download the file, or filter")
    response = gateway.search(view.index, {**body, "from": page * size, "size": min(size, MOST_SORTED - page * size)})
    table = search.table(view, response)
    return table_view(table, fields=document_fields(table))


def whole_table(gateway: Gateway, source: PanelSource, views: Views, context: DashboardContext) -> Iterator[str]:
    """Yield the lines of a file with all rows of a table, with units in the heads of its columns.

    Raises
    ------
    DataError
        If the panel is no table.
    """
    if isinstance(source, SavedSearch):
        view = views[source.view]
        head = source.table(view, {"hits": {"hits": [], "total": {"value": 0}}})
        yield _head(table_view(head))
        body = {name: value for name, value in source.body(view, context).items() if name != "size"}
        for hit in gateway.scan(view.index, body, SCAN_PAGE):
            row = source.table(view, {"hits": {"hits": [hit], "total": {"value": 1}}}).rows[0]
            yield _line(_cell(row[column.id], column.kind) for column in head.columns)
        return
    if not isinstance(source, LensPanel) or source.visualization != "lnsDatatable":
        raise DataError("this panel is no table")
    for number, table in enumerate(_tables(gateway, source, views, context)):
        if not number:
            yield _head(table)
        for values in table.rows:
            yield _line(_cell(value, column.kind) for value, column in zip(values, table.columns, strict=True))


def _head(table: TableView) -> str:
    return _line(f"{column.label} ({column.unit})" if column.unit else column.label for column in table.columns)


def _tables(gateway: Gateway, panel: LensPanel, views: Views, context: DashboardContext) -> Iterator[TableView]:
    """Yield the rows of a panel in pieces; the first one is there even if it has no rows."""
    if has_all_groups(panel.layers[panel.state["layerId"]]):
        yield from all_group_tables(gateway, panel, views, context)
        return
    query = panel_query(panel, views, context)
    table = data_table(panel, query.read(gateway.msearch(list(query.requests))), {})
    assert isinstance(table, TableView)
    yield table


def _cell(value: Value, kind: str) -> str:
    if value is None:
        return ""
    if kind == "date" and isinstance(value, (int, float)):
        return (
            datetime.fromtimestamp(value / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
    return str(value)


def _line(cells: Iterable[str]) -> str:
    """Return a line of CSV (RFC 4180); a text that begins like a formula must not run in a spreadsheet."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([_safe(cell.replace("\0", "")) for cell in cells])
    return text.getvalue()


def _safe(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) and not re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", cell) else cell
