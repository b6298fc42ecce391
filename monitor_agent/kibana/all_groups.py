"""All groups of a table, also those that a panel has no room for: pages in the order of their names (pure).

A panel's own search returns the largest groups only. Here the same metrics are computed by a `composite` aggregation,
which returns one page of groups after the other. Elasticsearch sorts it by the groups' values, not by metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.kibana.filters import Query
from monitor_agent.kibana.lens import Column, Layer
from monitor_agent.kibana.lens_searches import LayerSearch, LayerSearches, grouping_names
from monitor_agent.kibana.searches import SearchRequest, SearchResponse

GROUPS = "groups"
"""The name of the aggregation."""

Key = Mapping[str, Any]
"""The values of a group by the names of its fields' aggregations."""


@dataclass(frozen=True)
class GroupOrder:
    """The column of groups that comes first in the order, and whether the greatest value comes first."""

    column: str = ""
    falling: bool = False


def has_all_groups(layer: Layer) -> bool:
    """Return whether the groups of a layer can be read page by page: each of them stands for a value of a field."""
    return bool(layer.buckets) and all(column.operation == "terms" for column in layer.buckets)


def groups_request(
    searches: LayerSearches, search: LayerSearch, order: GroupOrder, size: int, after: Key | None = None
) -> SearchRequest:
    """Return the search for the groups after another one, with their metrics.

    Parameters
    ----------
    search : the search of a layer of which `has_all_groups` is true.
    after : None = the first groups.
    """
    request = _composite(searches, search, order, size, after)
    metrics = _metrics_of(searches.layer, search.request.body)
    groups = {**request.body["aggs"][GROUPS], **({"aggs": metrics} if metrics else {})}
    return SearchRequest(request.indices, {**request.body, "aggs": {GROUPS: groups}})


def keys_request(searches: LayerSearches, order: GroupOrder, size: int, after: Key | None = None) -> SearchRequest:
    """Return the search for the groups after another one, without metrics."""
    return _composite(searches, searches.searches[0], order, size, after)


def only_groups(request: SearchRequest, searches: LayerSearches, keys: Sequence[Key]) -> SearchRequest:
    """Return a search for no other groups than these."""
    fields = dict(_fields(searches.layer))
    cases: list[Query] = [
        {"bool": {"filter": [{"term": {fields[name]: value}} for name, value in key.items()]}} for key in keys
    ]
    any_of_them: Query = {"bool": {"should": cases, "minimum_should_match": 1}}
    return SearchRequest(
        request.indices, {**request.body, "query": {"bool": {"filter": [request.body["query"], any_of_them]}}}
    )


def group_buckets(response: SearchResponse) -> tuple[list[SearchResponse], Key | None]:
    """Return the groups of a response, and the last one, after which the next page begins; None = there is none."""
    groups = response.get("aggregations", {}).get(GROUPS, {})
    return list(groups.get("buckets", ())), groups.get("after_key")


def panels_response(searches: LayerSearches, buckets: Iterable[SearchResponse]) -> SearchResponse:
    """Return groups in the form of the response to the panel's own search, which `layer_table` reads."""
    names = [(name, column) for column in searches.layer.buckets for name in grouping_names(column)]
    outermost: list[Any] = []
    for bucket in buckets:
        inner: dict[str, Any] = {name: value for name, value in bucket.items() if name != "key"}
        for name, column in reversed(names):
            inner = {**_key(column, bucket["key"][name]), **inner}
            outermost_bucket, inner = inner, {"doc_count": bucket["doc_count"], name: {"buckets": [inner]}}
        outermost.append(outermost_bucket)
    return {"hits": {}, "aggregations": {names[0][0]: {"buckets": outermost}}}


def _composite(
    searches: LayerSearches, search: LayerSearch, order: GroupOrder, size: int, after: Key | None
) -> SearchRequest:
    layer, body = searches.layer, search.request.body
    first = [name for column in layer.buckets if column.id == order.column for name in grouping_names(column)]
    fields = dict(_fields(layer))
    direction = "desc" if order.falling else "asc"
    names = [*first, *(name for name in fields if name not in first)]
    sources = [
        {name: {"terms": {"field": fields[name], "order": direction if name in first else "asc"}}} for name in names
    ]
    composite = {"size": size, "sources": sources, **({"after": dict(after)} if after else {})}
    query = {"bool": {"filter": [body["query"], *_included(layer)]}}
    aggregations = {GROUPS: {"composite": composite}}
    return SearchRequest(
        search.request.indices, {"size": 0, "track_total_hits": False, "query": query, "aggs": aggregations}
    )


def _fields(layer: Layer) -> Iterator[tuple[str, str]]:
    """Yield the name of each aggregation that groups, outermost first, and its field."""
    for column in layer.buckets:
        yield from zip(grouping_names(column), (column.field, *column.secondary_fields), strict=True)


def _included(layer: Layer) -> Iterator[Query]:
    """Yield the filters for the values that columns leave out: a composite aggregation has no such option."""
    for column in layer.buckets:
        if column.params.get("include"):
            yield {"terms": {column.field: list(column.params["include"])}}
        if column.params.get("exclude"):
            yield {"bool": {"must_not": [{"terms": {column.field: list(column.params["exclude"])}}]}}


def _metrics_of(layer: Layer, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the aggregations inside of the innermost groups of a search."""
    node = body
    for column in layer.buckets:
        for name in grouping_names(column):
            node = node["aggs"][name]
    orders = {f"{column.id}-order" for column in layer.buckets}
    return {name: entry for name, entry in node.get("aggs", {}).items() if name not in orders}


def _key(column: Column, value: Any) -> dict[str, Any]:
    """Return the key of a bucket as a `terms` aggregation has it."""
    if column.data_type == "boolean":
        return {"key": int(value), "key_as_string": str(value).lower()}
    return {"key": value}
