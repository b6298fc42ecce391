"""All groups of a table: pages that Elasticsearch sorts by a group's values, or the viewer by a metric.

Elasticsearch has no order by a metric for groups of several fields. So the viewer reads the groups, and sorts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from monitor_agent.dashboards.data_tables import data_table, visible_columns
from monitor_agent.dashboards.panel_views import DEFAULT_PAGE_ROWS, TableView
from monitor_agent.errors import DataError
from monitor_agent.es.gateway import Gateway
from monitor_agent.kibana.all_groups import (
    GroupOrder,
    Key,
    group_buckets,
    groups_request,
    has_all_groups,
    keys_request,
    only_groups,
    panels_response,
)
from monitor_agent.kibana.filters import DashboardContext
from monitor_agent.kibana.lens import Column, LensPanel
from monitor_agent.kibana.lens_searches import LayerSearches, Views, layer_searches
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.searches import SearchResponse
from monitor_agent.kibana.tables import Table, Value, layer_table
from monitor_agent.kibana.times import TimeRange
from monitor_agent.vocabulary.counted_nouns import counted

MOST_GROUPS = 10_000
"""So many groups are counted, and sorted by a metric."""
MOST_SKIPPED = 1_000_000
READ_AT_ONCE = 2_000
NAMED_AT_ONCE = 200
"""So many groups are named in one search for their earlier values."""


@dataclass(frozen=True)
class SortOrder:
    """The column that rows are sorted by, and whether the greatest value comes first."""

    column: int
    falling: bool

    def check(self, columns: int) -> None:
        """Refuse a column beyond those of the table.

        Raises
        ------
        DataError
            If the table has fewer columns.
        """
        if not 0 <= self.column < columns:
            raise DataError(f"the table has no column {self.column}")


def group_page(
    gateway: Gateway, panel: LensPanel, views: Views, context: DashboardContext, order: SortOrder | None, page: int
) -> TableView:
    """Return one page of all groups of a data table; its note says what is sorted.

    Parameters
    ----------
    order : None = by the values of the groups.
    page : number of the page, from 0 on.

    Raises
    ------
    DataError
        If the page or the column lies beyond those of the table, or its groups are no values of fields.
    """
    groups = _Groups.of(gateway, panel, views, context)
    head = groups.view([])
    columns = visible_columns(groups.table([]), panel.state)
    if order is not None:
        order.check(len(columns))
    size = head.page if head.page > 1 else DEFAULT_PAGE_ROWS
    if not 0 <= page * size < MOST_SKIPPED:
        raise DataError(f"only the first {MOST_SKIPPED:,} groups have pages", "download the file, or filter")
    column = columns[order.column] if order else next(column for column in columns if column.bucketed)
    falling = order is not None and order.falling
    if column.bucketed:
        rows, total, more = groups.sorted_by_group(GroupOrder(column.id, falling), page * size, size)
        text = f"{'More than' if more else 'All'} {counted(total, 'group')}, sorted by {column.label} in Elasticsearch"
    else:
        rows, total, more = groups.sorted_by_value(column.id, falling, page * size, size)
        text = (
            f"The first {total:,} groups by their names, sorted by {column.label}: filter to see fewer"
            if more
            else f"All {counted(total, 'group')}, sorted by {column.label}"
        )
        more = False
    return replace(groups.with_rows(rows), total=total, more=more, note=text, page=size)


def all_group_tables(
    gateway: Gateway, panel: LensPanel, views: Views, context: DashboardContext
) -> Iterator[TableView]:
    """Yield all groups of a data table, in pieces; the first one is there even if there are no groups."""
    groups = _Groups.of(gateway, panel, views, context)
    yield groups.view([])
    for table in groups.pieces():
        yield groups.with_rows(table)


@dataclass(frozen=True)
class _Groups:
    """The groups of the one layer of a data table."""

    gateway: Gateway
    panel: LensPanel
    searches: LayerSearches
    time: TimeRange

    @classmethod
    def of(cls, gateway: Gateway, panel: LensPanel, views: Views, context: DashboardContext) -> _Groups:
        name = panel.state["layerId"]
        if not has_all_groups(panel.layers[name]):
            raise DataError("this table has no pages: its groups are no values of fields", "download the file")
        searches = layer_searches(_with_all_values(panel), views, context)
        return cls(gateway, panel, next(entry for entry in searches if entry.layer.id == name), context.time)

    def table(self, buckets: Sequence[Sequence[SearchResponse]]) -> Table:
        """Return the rows of groups; there is a list of buckets for each search, or none at all."""
        responses = [panels_response(self.searches, of_search) for of_search in buckets]
        return layer_table(self.searches, responses or [{"hits": {}} for _ in self.searches.searches])

    def view(self, buckets: Sequence[Sequence[SearchResponse]]) -> TableView:
        return self.with_rows(self.table(buckets))

    def with_rows(self, table: Table) -> TableView:
        view = data_table(self.panel, PanelData(self.time, {self.searches.layer.id: table}), {})
        assert isinstance(view, TableView)
        return view

    def sorted_by_group(self, order: GroupOrder, skipped: int, size: int) -> tuple[Table, int, bool]:
        """Return some rows in an order that Elasticsearch has, the number of groups, and whether there are more."""
        keys = self._keys(order, None)
        total, remaining = len(keys), skipped
        while remaining > len(keys) == MOST_GROUPS:
            remaining -= len(keys)
            keys = self._keys(order, keys[-1])
        last = keys[min(remaining, len(keys)) - 1] if remaining and keys else None
        return self._piece(order, size, last)[0], total, total == MOST_GROUPS

    def sorted_by_value(self, column: str, falling: bool, skipped: int, size: int) -> tuple[Table, int, bool]:
        """Return some rows in the order of a metric, the number of groups, and whether some were left out."""
        pieces, total = [], 0
        for piece in self.pieces():
            pieces.append(piece)
            total += len(piece.rows)
            if total >= MOST_GROUPS:
                break
        rows = [(row, piece.samples[number]) for piece in pieces for number, row in enumerate(piece.rows)]
        with_value = [entry for entry in rows if entry[0][column] is not None]
        with_value.sort(key=lambda entry: _sort_key(entry[0][column]), reverse=falling)
        # Rows without a value stay at the end in both directions.
        ordered = [*with_value, *(entry for entry in rows if entry[0][column] is None)][skipped : skipped + size]
        table = replace(
            self.table([]), rows=tuple(row for row, _ in ordered), samples=tuple(sample for _, sample in ordered)
        )
        return table, len(rows), total >= MOST_GROUPS

    def pieces(self) -> Iterator[Table]:
        """Yield all rows, in the order of the groups' values."""
        size = READ_AT_ONCE if len(self.searches.searches) == 1 else NAMED_AT_ONCE
        after: Key | None = None
        while True:
            table, after = self._piece(GroupOrder(), size, after)
            yield table
            if after is None:
                return

    def _piece(self, order: GroupOrder, size: int, after: Key | None) -> tuple[Table, Key | None]:
        """Return the rows after a group, and the last group; None = there are no more."""
        # The groups are those of this time; what is compared with them is read for these groups only.
        main = next((entry for entry in self.searches.searches if not entry.shift), self.searches.searches[0])
        request = groups_request(self.searches, main, order, size, after)
        buckets, last = group_buckets(self.gateway.search(request.indices, dict(request.body)))
        keys = [bucket["key"] for bucket in buckets]
        by_search = []
        for search in self.searches.searches:
            if search is main or not keys:
                by_search.append(buckets)
                continue
            further = only_groups(groups_request(self.searches, search, order, size), self.searches, keys)
            by_search.append(group_buckets(self.gateway.search(further.indices, dict(further.body)))[0])
        return self.table(by_search), last if len(buckets) == size else None

    def _keys(self, order: GroupOrder, after: Key | None) -> list[Key]:
        request = keys_request(self.searches, order, MOST_GROUPS, after)
        buckets, _ = group_buckets(self.gateway.search(request.indices, dict(request.body)))
        return [bucket["key"] for bucket in buckets]


def _sort_key(value: Value) -> tuple[bool, float, str]:
    """Return what rows are sorted by: numbers before texts."""
    number = isinstance(value, (int, float))
    return not number, float(value) if isinstance(value, (int, float)) else 0.0, "" if number else str(value)


def _with_all_values(panel: LensPanel) -> LensPanel:
    layers = {
        name: replace(layer, columns={key: _with_any_size(column) for key, column in layer.columns.items()})
        for name, layer in panel.layers.items()
    }
    return replace(panel, layers=layers)


def _with_any_size(column: Column) -> Column:
    return replace(column, params={**column.params, "size": MOST_GROUPS}) if column.operation == "terms" else column
