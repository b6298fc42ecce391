"""Searches of the same documents as one search: literal searches in, literal responses out."""

from __future__ import annotations

from typing import Any

from monitor_agent.kibana.joined_searches import joined_searches
from monitor_agent.kibana.searches import SearchRequest

ANSWERED = {"term": {"outcome": "answered"}}
PERCENTILES = {"percentiles": {"field": "took", "percents": [95.0]}}


def search(aggregations: dict[str, Any], query: dict[str, Any] | None = None) -> SearchRequest:
    """Return a search that lists no documents."""
    return SearchRequest("model-predictions-*", {"size": 0, "query": query or {"match_all": {}}, "aggs": aggregations})


def by_version(order: str, /, **metrics: Any) -> dict[str, Any]:
    """Return an aggregation by version, the greatest first."""
    return {"terms": {"field": "version", "size": 5, "order": {order: "desc"}}, "aggs": metrics}


def test_groups_in_the_same_order_are_made_once() -> None:
    """Two tiles call the number that orders their groups differently; each reads its own names."""
    clicks, price, cost = ({"sum": {"field": name}} for name in ("clicks", "price", "cost"))
    joined = joined_searches(
        [
            search({"series": by_version("order", order=clicks, value=price)}),
            search({"version": by_version("clicks", clicks=clicks, value=cost)}),
        ]
    )

    ((_, body),) = joined.requests
    ((name, groups),) = body["aggs"].items()
    (order,) = groups["terms"]["order"]
    values = {inner: float(number) for number, inner in enumerate(groups["aggs"])}
    bucket = {"key": "2", "doc_count": 3, **{inner: {"value": value} for inner, value in values.items()}}
    response = {"aggregations": {name: {"sum_other_doc_count": 7, "buckets": [bucket]}}}
    first, second = (joined.response(place, response)["aggregations"] for place in (0, 1))

    assert groups["aggs"][order] == clicks
    assert len(groups["aggs"]) == 3
    assert first["series"]["sum_other_doc_count"] == second["version"]["sum_other_doc_count"] == 7
    assert first["series"]["buckets"][0].keys() == {"key", "doc_count", "order", "value"}
    assert first["series"]["buckets"][0]["order"] == second["version"]["buckets"][0]["clicks"]
    assert first["series"]["buckets"][0]["value"] != second["version"]["buckets"][0]["value"]


def test_groups_in_another_order_stay_apart() -> None:
    """The five greatest by clicks are not the five greatest by price, although both orders have one name."""
    ordered = [by_version("order", order={"sum": {"field": name}}) for name in ("clicks", "price")]
    ((_, body),) = joined_searches([search({"series": groups}) for groups in ordered]).requests

    fields = [groups["aggs"][next(iter(groups["terms"]["order"]))]["sum"]["field"] for groups in body["aggs"].values()]
    assert fields == ["clicks", "price"]


def test_percentiles_of_one_field_are_computed_together() -> None:
    """Elasticsearch reads the values once; each panel reads the percentile that it shows."""
    median = {"percentiles": {"field": "took", "percents": [50.0]}}
    joined = joined_searches(
        [search({"value": {"filter": ANSWERED, "aggs": {"value": inner}}}) for inner in (PERCENTILES, median)]
    )

    ((_, body),) = joined.requests
    ((name, filtered),) = body["aggs"].items()
    ((inner, percentiles),) = filtered["aggs"].items()
    node = {"doc_count": 9, inner: {"values": {"50.0": 2.5, "95.0": 8.0}}}
    values = [joined.response(place, {"aggregations": {name: node}})["aggregations"]["value"] for place in (0, 1)]

    assert percentiles["percentiles"]["percents"] == [50.0, 95.0]
    assert [value["value"]["values"] for value in values] == [{"95.0": 8.0}, {"50.0": 2.5}]
    assert values[0]["doc_count"] == 9


def test_groups_ordered_by_a_filtered_percentile_name_its_new_path() -> None:
    """The path of the order leads through the filter to the percentile."""
    slow = {"filter": ANSWERED, "aggs": {"value": PERCENTILES}}
    ((_, body),) = joined_searches([search({"version": by_version("slow>value.95", slow=slow)})]).requests

    (groups,) = body["aggs"].values()
    ((outer, filtered),) = groups["aggs"].items()
    (inner,) = filtered["aggs"]
    assert groups["terms"]["order"] == {f"{outer}>{inner}.95": "desc"}


def test_a_panel_that_only_counts_reads_only_the_counts() -> None:
    """The sums of another panel in the same groups are not in its buckets."""
    groups = {"terms": {"field": "version"}}
    joined = joined_searches(
        [search({"series": groups}), search({"series": {**groups, "aggs": {"value": {"sum": {"field": "price"}}}}})]
    )
    ((_, body),) = joined.requests
    ((name, aggregation),) = body["aggs"].items()
    (inner,) = aggregation["aggs"]
    response = {"aggregations": {name: {"buckets": [{"key": "2", "doc_count": 3, inner: {"value": 7.0}}]}}}

    counts, sums = (joined.response(place, response)["aggregations"]["series"]["buckets"] for place in (0, 1))
    assert counts == [{"key": "2", "doc_count": 3}]
    assert sums == [{"key": "2", "doc_count": 3, "value": {"value": 7.0}}]


def test_other_documents_stay_apart() -> None:
    """Another query is another search, and a list of documents keeps its body."""
    count = {"value": {"filter": ANSWERED}}
    documents = SearchRequest("model-predictions-*", {"size": 10, "query": ANSWERED})
    joined = joined_searches([search(count), search(count, ANSWERED), documents, search(count)])

    assert joined.numbers == (0, 1, 2, 0)
    assert joined.requests[2] == documents
    assert joined.response(2, {"hits": {"hits": []}}) == {"hits": {"hits": []}}
