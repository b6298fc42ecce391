"""Saved searches: lists of documents with chosen columns (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.errors import DataError, UnsupportedPanelError
from monitor_agent.kibana.data_views import DataView
from monitor_agent.kibana.filters import DashboardContext, conjunction, search_query, within
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.searches import SearchResponse
from monitor_agent.kibana.tables import Table, TableColumn, Value

PAGE = 100
INDEX_REFERENCE = "kibanaSavedObjectMeta.searchSourceJSON.index"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True)
class SavedSearch:
    """A saved search: `columns` of the documents of `view` that match, in the order of `sort` (field, direction)."""

    key: str
    title: str
    description: str
    view: str
    columns: tuple[str, ...]
    sort: tuple[tuple[str, str], ...]
    query: str
    filters: tuple[Mapping[str, Any], ...]

    def body(self, view: DataView, context: DashboardContext, size: int = PAGE) -> dict[str, Any]:
        """Return the search for its first documents."""
        filters = [
            *within(context.time, view.time_field),
            *context.filters,
            *search_query(self.query, self.filters),
        ]
        return {
            "size": size,
            "track_total_hits": True,
            "query": conjunction(filters),
            "sort": [{field: {"order": direction, "unmapped_type": "keyword"}} for field, direction in self.sort],
            "_source": False,
            # Like Kibana, it reads fields instead of the source: aliases and formats apply to them.
            "fields": [{"field": name, "include_unmapped": True} for name in self._names(view)],
        }

    def table(self, view: DataView, response: SearchResponse) -> Table:
        """Return the documents as rows; the first column is their time."""
        names = self._names(view)
        rows = tuple(
            {name: _cell(hit.get("fields", {}).get(name)) for name in names} for hit in response["hits"]["hits"]
        )
        dates = {name for name in names if name == view.time_field or _are_moments([row[name] for row in rows])}
        columns = tuple(
            TableColumn(name, view.label(name), "date" if name in dates else "string", False, None)
            if name not in view.formats
            else TableColumn(name, view.label(name), "number", False, view.formats[name])
            for name in names
        )
        return Table(columns, rows, total=response["hits"]["total"]["value"])

    def _names(self, view: DataView) -> list[str]:
        return list(dict.fromkeys([view.time_field, *self.columns] if view.time_field else self.columns))


def saved_search(saved: SavedObject) -> SavedSearch:
    """Return the saved search of an object.

    Raises
    ------
    UnsupportedPanelError
        If its query is not KQL.
    DataError
        If the object is broken.
    """
    attributes = saved.attributes
    try:
        source = attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]
        query = source.get("query") or {"query": "", "language": "kuery"}
        if query.get("language") != "kuery":
            raise UnsupportedPanelError(saved.key, "a query that is not KQL")
        return SavedSearch(
            key=saved.key,
            title=attributes["title"],
            description=attributes.get("description", ""),
            view=saved.target(source["indexRefName"]),
            columns=tuple(attributes.get("columns", ())),
            sort=tuple((field, direction) for field, direction in attributes.get("sort", ())),
            query=query["query"],
            filters=tuple(source.get("filter", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{saved.key}: no saved search, {error!r} is missing or wrong") from error


def _are_moments(values: Sequence[Value]) -> bool:
    """Tell whether all values are moments, as Elasticsearch writes those of a field of the type `date`."""
    texts = [value for value in values if value is not None]
    return bool(texts) and all(isinstance(value, str) and _MOMENT.fullmatch(value) for value in texts)


def _cell(values: list[Value] | None) -> Value:
    if not values:
        return None
    return values[0] if len(values) == 1 else ", ".join(map(str, values))
