"""Responses as rows: literal responses of Elasticsearch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from monitor_agent.kibana.formula import expand
from monitor_agent.kibana.lens_searches import layer_searches
from monitor_agent.kibana.sample_sizes import Sample
from monitor_agent.kibana.tables import Table, layer_table, source_value
from tests.unit.monitor_agent.kibana.samples import CONTEXT, VIEWS, column, dates, make_panel, terms

HOUR = 3_600_000
MIDNIGHT = 1772409600000


def table_from(columns: dict[str, dict[str, Any]], *responses: dict[str, Any]) -> Table:
    """Return the table of a panel whose searches have these responses."""
    (layer,) = layer_searches(make_panel(columns), VIEWS, CONTEXT)
    return layer_table(layer, [{"hits": {"total": {"value": 0}}, **response} for response in responses])


def test_groups_become_the_first_columns_of_a_row() -> None:
    """An innermost group is one row, with the names of all groups around it."""
    columns = {
        "time": dates(),
        "version": terms("model_version"),
        "mean": column("average", "price"),
        "count": column("count", "___records___"),
    }
    buckets = [{"key": "1", "doc_count": 3, "mean": {"value": 0.5}}, {"key": "2", "doc_count": 1, "mean": {"value": 2}}]
    response = {"aggregations": {"time": {"buckets": [{"key": MIDNIGHT, "version": {"buckets": buckets}}]}}}

    table = table_from(columns, response)

    assert [column.label for column in table.columns] == ["date_histogram", "terms", "average", "count"]
    assert table.rows == (
        {"time": MIDNIGHT, "version": "1", "mean": 0.5, "count": 3},
        {"time": MIDNIGHT, "version": "2", "mean": 2, "count": 1},
    )


def test_a_formula_is_computed_and_its_operands_are_left_out() -> None:
    """The row holds only the value of the formula."""
    columns = expand("f", column("formula", params={"formula": "count(kql='outcome: tp') / count()"}))

    table = table_from(columns, {"hits": {"total": {"value": 8}}, "aggregations": {"fX0": {"doc_count": 2}}})

    assert table.rows == ({"f": 0.25},)


def test_an_undefined_formula_is_nothing_not_zero() -> None:
    """A division by 0 has no value, and a tile without a value is empty."""
    columns = expand("f", column("formula", params={"formula": "sum(price) / count()"}))

    table = table_from(columns, {"aggregations": {"fX0": {"value": 0.0}}})

    assert table.rows == ({"f": None},)
    assert table.empty()


def test_a_tile_that_says_zero_is_not_empty() -> None:
    """A tile with 0 errors says something; a chart whose counts are all 0 shows no document."""
    count = column("count", "___records___")
    flat = {"aggregations": {"time": {"buckets": [{"key": MIDNIGHT, "doc_count": 0}]}}}
    tile, chart = table_from({"count": count}, {}), table_from({"time": dates(), "count": count}, flat)

    assert (tile.empty(), tile.only_zeros()) == (False, True)
    assert (chart.empty(), chart.only_zeros()) == (True, True)


def test_a_chart_of_zeros_that_count_nothing_is_not_empty() -> None:
    """An average of 0 is the value of documents, and shows that there are some."""
    buckets = [{"key": MIDNIGHT, "doc_count": 3, "mean": {"value": 0.0}}]
    table = table_from(
        {"time": dates(), "mean": column("average", "price")}, {"aggregations": {"time": {"buckets": buckets}}}
    )

    assert (table.empty(), table.only_zeros()) == (False, True)


def test_a_panel_of_one_number_is_empty_without_that_number() -> None:
    """A second number below it does not count: 0 orphans do not explain a rate that has no value."""
    columns = {"rate": column("average", "price"), "count": column("count", "___records___")}
    table = table_from(columns, {"aggregations": {"rate": {"value": None}}})

    assert not table.empty()
    assert table.empty(main=("rate",))


def test_rows_of_an_earlier_day_meet_those_of_today() -> None:
    """A bar of the shifted search is in the row of the bar that it is compared with."""
    day = 24 * HOUR
    columns = {
        "time": dates(),
        **expand("f", column("formula", params={"formula": "sum(price) - sum(price, shift='1d')"})),
    }

    def response(name: str, key: int, value: float) -> dict[str, Any]:
        return {"aggregations": {"time": {"buckets": [{"key": key, "doc_count": 1, name: {"value": value}}]}}}

    table = table_from(columns, response("fX0", MIDNIGHT, 5.0), response("fX1", MIDNIGHT - day, 2.0))

    assert table.rows == ({"time": MIDNIGHT, "f": 3.0},)


def test_a_rate_is_counted_by_the_length_of_its_bar() -> None:
    """Requests per second are the count of a bar divided by its seconds; the last bar ends with the range."""
    columns = {"time": dates(), "rate": column("count", "___records___", timeScale="s")}
    buckets = [{"key": MIDNIGHT, "doc_count": 7200}, {"key": MIDNIGHT + 23 * HOUR, "doc_count": 3600}]

    table = table_from(columns, {"aggregations": {"time": {"buckets": buckets}}})

    assert [row["rate"] for row in table.rows] == [2.0, 1.0]


def test_percentiles_and_last_values_are_read() -> None:
    """The percentile of the column, and the newest value; None if there is no value."""
    columns = {
        "p95": column("percentile", "price", params={"percentile": 95}),
        "last": column("last_value", "price", params={"sortField": "@timestamp"}),
    }
    hit = {"hits": {"hits": [{"fields": {"price": [7]}}]}}

    table = table_from(columns, {"aggregations": {"p95": {"values": {"95.0": 12.5}}, "last": hit}})
    missing = table_from(columns, {"aggregations": {"p95": {"values": {"95.0": None}}, "last": {"hits": {"hits": []}}}})

    assert table.rows == ({"p95": 12.5, "last": 7},)
    assert missing.rows == ({"p95": None, "last": None},)


def test_ranges_are_named_as_the_panel_names_them() -> None:
    """A range has the label of the panel, not Elasticsearch's key."""
    ranges = [{"from": 0, "to": 1, "label": "low"}, {"from": 1, "to": None, "label": "high"}]
    columns = {
        "size": column("range", "price", params={"type": "range", "ranges": ranges}),
        "count": column("count", "___records___"),
    }
    buckets = [
        {"key": "0.0-1.0", "from": 0.0, "to": 1.0, "doc_count": 4},
        {"key": "1.0-*", "from": 1.0, "doc_count": 2},
    ]

    table = table_from(columns, {"aggregations": {"size": {"buckets": buckets}}})

    assert [row["size"] for row in table.rows] == ["low", "high"]


def test_a_column_keeps_the_format_of_its_field() -> None:
    """A sum of prices is shown as a price; a count of them is not."""
    columns = {"total": column("sum", "price"), "count": column("unique_count", "price")}

    table = table_from(columns, {"aggregations": {"total": {"value": 1}, "count": {"value": 1}}})

    assert [column.format for column in table.columns] == [{"id": "number"}, None]


def test_a_document_is_read_nested_or_flat() -> None:
    """`model.name` is read inside `model` or as a flat key; it is None if it is missing."""
    assert source_value({"model": {"name": "click"}}, "model.name") == "click"
    assert source_value({"model.name": "click"}, "model.name") == "click"
    assert source_value({"model": "click"}, "model.name") is None


def test_values_of_several_fields_are_one_group() -> None:
    """Version 1 of two models are two groups; of more groups than have room, the largest ones stay."""
    columns = {
        "series": terms("model_name", size=2, secondaryFields=["model_version"]),
        "mean": column("average", "price"),
    }

    def buckets(**counts: int) -> dict[str, Any]:
        return {"buckets": [{"key": key, "doc_count": count, "mean": {"value": 1}} for key, count in counts.items()]}

    models = [
        {"key": "churn", "doc_count": 5, "series-1": buckets(a=4, b=1)},
        {"key": "click", "doc_count": 2, "series-1": buckets(a=2)},
    ]
    table = table_from(columns, {"aggregations": {"series": {"buckets": models}}})

    assert [row["series"] for row in table.rows] == ["churn/a", "click/a"]
    assert [sample.n for sample in table.samples] == [4, 2]
    assert table.left_out == 1


def test_documents_that_are_no_events_are_not_counted_as_events() -> None:
    """Three verdicts are no three predictions: a row of verdicts is not grey because there are few of them."""
    columns = {"version": terms("model_version"), "fall": column("max", "rate_fall")}
    buckets = [{"key": "1", "doc_count": 3, "fall": {"value": 0.5}}]
    views = {"view": replace(VIEWS["view"], index="model-verdicts-*")}
    (layer,) = layer_searches(make_panel(columns), views, CONTEXT)

    table = layer_table(layer, [{"hits": {"total": {"value": 3}}, "aggregations": {"version": {"buckets": buckets}}}])

    assert table.samples == (Sample(3, of_events=False),)
    assert not table.samples[0].weak
