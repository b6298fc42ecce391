"""Lens panels as searches: literal bodies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.filters import DashboardContext
from monitor_agent.kibana.formula import expand
from monitor_agent.kibana.lens_searches import layer_searches
from monitor_agent.kibana.times import TimeRange
from tests.unit.monitor_agent.kibana.samples import CONTEXT, DAY, VIEWS, column, dates, make_panel, terms

WITHIN = {"range": {"@timestamp": {"gte": 1772409600000, "lte": 1772496000000, "format": "epoch_millis"}}}


def body_of(columns: dict[str, dict[str, Any]], context: DashboardContext = CONTEXT, **options: Any) -> Any:
    """Return the body of the only search of a panel."""
    (layer,) = layer_searches(make_panel(columns, **options), VIEWS, context)
    (search,) = layer.searches
    assert search.request.indices == "model-predictions-*"
    return search.request.body


def test_values_over_time_are_nested_in_the_order_of_the_groups() -> None:
    """The aggregations nest in the order of the columns; the values are computed in the innermost one."""
    columns = {
        "time": dates(),
        "version": terms("model_version"),
        "mean": column("average", "price"),
        "count": column("count", "___records___"),
    }

    assert body_of(columns) == {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [WITHIN]}},
        "aggs": {
            "time": {
                "date_histogram": {
                    "field": "@timestamp",
                    "fixed_interval": "1h",
                    "time_zone": "UTC",
                    "min_doc_count": 1,
                },
                "aggs": {
                    "version": {
                        "terms": {"field": "model_version", "size": 5, "order": {"_key": "asc"}},
                        "aggs": {"mean": {"avg": {"field": "price"}}},
                    }
                },
            }
        },
    }


def test_a_tile_without_groups_counts_the_hits_themselves() -> None:
    """Without groups, the search counts its documents exactly."""
    assert body_of({"count": column("count", "___records___")}) == {
        "size": 0,
        "track_total_hits": True,
        "query": {"bool": {"filter": [WITHIN]}},
    }


@pytest.mark.parametrize(
    ("stored", "aggregation"),
    [
        (column("sum", "price"), {"sum": {"field": "price"}}),
        (column("unique_count", "price"), {"cardinality": {"field": "price"}}),
        (column("count", "price"), {"value_count": {"field": "price"}}),
        (column("median", "price"), {"percentiles": {"field": "price", "percents": [50.0]}}),
        (
            column("percentile", "price", params={"percentile": 95}),
            {"percentiles": {"field": "price", "percents": [95.0]}},
        ),
        (
            column("count", "___records___", filter={"query": "outcome: tp", "language": "kuery"}),
            {"filter": {"match": {"outcome": "tp"}}},
        ),
        (
            column("sum", "price", filter={"query": "outcome: tp", "language": "kuery"}),
            {"filter": {"match": {"outcome": "tp"}}, "aggs": {"value": {"sum": {"field": "price"}}}},
        ),
        (
            column("last_value", "price", params={"sortField": "@timestamp"}),
            {
                "top_hits": {
                    "size": 1,
                    "_source": False,
                    "docvalue_fields": ["price"],
                    "sort": [{"@timestamp": {"order": "desc"}}],
                }
            },
        ),
    ],
    ids=lambda value: value.get("operationType", "") if isinstance(value, dict) else "",
)
def test_each_operation_has_its_aggregation(stored: dict[str, Any], aggregation: dict[str, Any]) -> None:
    """An operation becomes one aggregation, inside a filter if the column has one."""
    assert body_of({"value": stored})["aggs"] == {"value": aggregation}


def test_equal_operands_of_a_formula_are_computed_once() -> None:
    """A formula with `sum(price)` three times needs one aggregation."""
    columns = expand("f", column("formula", params={"formula": "sum(price) / (sum(price) + count()) + sum(price)"}))

    assert body_of(columns)["aggs"] == {"fX0": {"sum": {"field": "price"}}}


def test_columns_may_be_called_like_operations_and_fields() -> None:
    """The id of a column says nothing about its value: different values stay apart, equal ones are computed once."""
    columns = {
        "avg": column("average", "price"),
        "max": column("max", "price"),
        "price": column("sum", "price"),
        "tax": column("sum", "tax"),
        "again": column("max", "price"),
    }

    (layer,) = layer_searches(make_panel(columns), VIEWS, CONTEXT)

    (search,) = layer.searches
    assert search.request.body["aggs"] == {
        "avg": {"avg": {"field": "price"}},
        "max": {"max": {"field": "price"}},
        "price": {"sum": {"field": "price"}},
        "tax": {"sum": {"field": "tax"}},
    }
    assert search.aggregation_of == {"avg": "avg", "max": "max", "price": "price", "tax": "tax", "again": "max"}


def test_a_shifted_column_is_a_search_of_its_own_a_day_earlier() -> None:
    """`shift='1d'` searches the same range a day before."""
    columns = expand("f", column("formula", params={"formula": "sum(price) - sum(price, shift='1d')"}))

    (layer,) = layer_searches(make_panel(columns), VIEWS, CONTEXT)

    now, before = layer.searches
    day = 86_400_000
    bounds = before.request.body["query"]["bool"]["filter"][0]["range"]["@timestamp"]
    assert now.request.body["query"]["bool"]["filter"] == [WITHIN]
    assert (bounds["gte"], bounds["lte"]) == (1772409600000 - day, 1772496000000 - day)
    assert [column.id for column in now.metrics] == ["fX0"]
    assert [column.id for column in before.metrics] == ["fX1"]


@pytest.mark.parametrize(
    ("order", "values", "expected"),
    [
        ({"type": "column", "columnId": "v"}, column("sum", "price"), {"v": "desc"}),
        ({"type": "column", "columnId": "v"}, column("count", "___records___"), {"_count": "desc"}),
        (
            {"type": "column", "columnId": "v"},
            column("sum", "price", filter={"query": "outcome: tp", "language": "kuery"}),
            {"v>value": "desc"},
        ),
        (
            {"type": "column", "columnId": "v"},
            column("percentile", "price", params={"percentile": 95}),
            {"v.95": "desc"},
        ),
    ],
)
def test_terms_are_ordered_by_a_value(order: Any, values: Any, expected: Any) -> None:
    """The order of terms names the aggregation of the column that they are ordered by."""
    by = terms("model_version", orderBy=order, orderDirection="desc")

    assert body_of({"by": by, "v": values})["aggs"]["by"]["terms"]["order"] == expected


def test_terms_are_ordered_by_a_value_that_is_not_shown() -> None:
    """A custom order is an aggregation of its own."""
    by = terms("model_version", orderBy={"type": "custom"}, orderDirection="desc", orderAgg=column("sum", "price"))

    grouped = body_of({"by": by, "count": column("count", "___records___")})["aggs"]["by"]

    assert grouped["terms"]["order"] == {"by-order": "desc"}
    assert grouped["aggs"] == {"by-order": {"sum": {"field": "price"}}}


def test_ranges_and_filters_are_groups() -> None:
    """Ranges may be open; filters are named by their label, or else by their text."""
    bounds = [{"from": 0, "to": 1, "label": "low"}, {"from": 1, "to": None, "label": "high"}]
    filters = [{"label": "hit", "input": {"query": "outcome: tp"}}, {"label": "", "input": {"query": "outcome: fn"}}]
    columns = {
        "size": column("range", "price", params={"type": "range", "ranges": bounds}),
        "kind": column("filters", params={"filters": filters}),
        "count": column("count", "___records___"),
    }

    aggregations = body_of(columns)["aggs"]

    assert aggregations["size"]["range"] == {"field": "price", "ranges": [{"from": 0, "to": 1}, {"from": 1}]}
    assert aggregations["size"]["aggs"]["kind"]["filters"]["filters"] == {
        "hit": {"match": {"outcome": "tp"}},
        "outcome: fn": {"match": {"outcome": "fn"}},
    }


def test_a_chart_with_empty_bars_covers_the_whole_range() -> None:
    """The histogram has a bucket for every bar of the range."""
    body = body_of({"time": dates(empty=True), "count": column("count", "___records___")})

    histogram = body["aggs"]["time"]["date_histogram"]
    assert histogram["min_doc_count"] == 0
    assert histogram["extended_bounds"] == {"min": 1772409600000, "max": 1772496000000}


def test_the_dashboard_and_the_panel_narrow_the_documents() -> None:
    """A document must match the time range, the controls and the panel's own query."""
    context = DashboardContext(DAY, ({"terms": {"model_name": ["click"]}},))

    body = body_of({"count": column("count", "___records___")}, context, query="outcome: tp")

    panel_query = {"match": {"outcome": "tp"}}
    assert body["query"]["bool"]["filter"] == [WITHIN, {"terms": {"model_name": ["click"]}}, panel_query]


def test_a_layer_that_ignores_filters_keeps_the_time() -> None:
    """As in Kibana, only the time range filters such a layer, not the controls and not the panel's query."""
    context = DashboardContext(DAY, ({"terms": {"model_name": ["click"]}},))

    body = body_of({"count": column("count", "___records___")}, context, query="outcome: tp", ignores_filters=True)

    assert body["query"]["bool"]["filter"] == [WITHIN]


@pytest.mark.parametrize(
    ("stored", "operation"),
    [
        (column("range", "price", params={"type": "histogram", "ranges": []}), "intervals that follow from the data"),
        (terms("price", otherBucket=True), "`otherBucket` of terms"),
        (terms("price", orderBy={"type": "rare"}), "terms ordered by rare"),
    ],
)
def test_an_operation_without_a_translation_is_named(stored: dict[str, Any], operation: str) -> None:
    """The error names the object and the operation."""
    with pytest.raises(UnsupportedPanelError) as caught:
        body_of({"by": stored, "count": column("count", "___records___")})

    assert (caught.value.panel, caught.value.operation) == ("lens:sample", operation)


def test_bars_of_a_long_range_are_grouped() -> None:
    """Elasticsearch would refuse 525,600 minutes of a year, and no browser could draw them, by five versions."""
    year = DashboardContext(TimeRange(DAY.end - timedelta(days=365), DAY.end))
    columns = {"time": dates("1m"), "version": terms("model_version"), "count": column("count", "___records___")}

    assert body_of(columns, year)["aggs"]["time"]["date_histogram"]["calendar_interval"] == "1d"


def test_the_range_before_ends_where_the_range_begins() -> None:
    """A change against the range of the same length before counts no moment twice."""
    columns = expand("f", column("formula", params={"formula": "sum(price) - sum(price, shift='previous')"}))
    (layer,) = layer_searches(make_panel(columns), VIEWS, CONTEXT)

    ranges = [search.request.body["query"]["bool"]["filter"][0]["range"]["@timestamp"] for search in layer.searches]
    assert [(entry["gte"], entry["lte"]) for entry in ranges] == [
        (1772409600000, 1772496000000),
        (1772323199999, 1772409599999),
    ]


def test_means_over_a_long_range_are_read_from_larger_windows() -> None:
    """The mean of 336 hourly values is no value of a fortnight: the chart reads the windows of a day."""
    fortnight = TimeRange(DAY.end - timedelta(days=14), DAY.end)
    context = DashboardContext(fortnight, ({"terms": {"window_size": ["1h"]}},), ("1h", "1d"))
    columns = {"time": dates("auto"), "mean": column("average", "price")}

    body = body_of(columns, context)

    assert {"terms": {"window_size": ["1d"]}} in body["query"]["bool"]["filter"]
    assert body["aggs"]["time"]["date_histogram"]["calendar_interval"] == "1d"
    summed = body_of({"time": dates("auto"), "sum": column("sum", "price")}, context)
    assert {"terms": {"window_size": ["1h"]}} in summed["query"]["bool"]["filter"]
