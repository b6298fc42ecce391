"""Answers as rows: literal answers of Elasticsearch."""

from __future__ import annotations

from typing import Any

from monitor_agent.kibana.formula import expand
from monitor_agent.kibana.lens_searches import layer_searches
from monitor_agent.kibana.tables import Table, source_value, table
from tests.unit.monitor_agent.kibana.samples import CONTEXT, VIEWS, column, dates, make_panel, terms

HOUR = 3_600_000
MIDNIGHT = 1772409600000


def rows_of(columns: dict[str, dict[str, Any]], *answers: dict[str, Any]) -> Table:
    """Return the table of a panel whose searches are answered so."""
    (layer,) = layer_searches(make_panel(columns), VIEWS, CONTEXT)
    return table(layer, [{"hits": {"total": {"value": 0}}, **answer} for answer in answers])


def test_groups_become_the_first_columns_of_a_row() -> None:
    """Each innermost group is one row, with the names of all groups around it."""
    columns = {
        "time": dates(),
        "version": terms("model_version"),
        "mean": column("average", "price"),
        "count": column("count", "___records___"),
    }
    buckets = [{"key": "1", "doc_count": 3, "mean": {"value": 0.5}}, {"key": "2", "doc_count": 1, "mean": {"value": 2}}]
    answer = {"aggregations": {"time": {"buckets": [{"key": MIDNIGHT, "version": {"buckets": buckets}}]}}}

    found = rows_of(columns, answer)

    assert [each.label for each in found.columns] == ["date_histogram", "terms", "average", "count"]
    assert found.rows == (
        {"time": MIDNIGHT, "version": "1", "mean": 0.5, "count": 3},
        {"time": MIDNIGHT, "version": "2", "mean": 2, "count": 1},
    )


def test_a_formula_is_computed_and_its_parts_are_not_shown() -> None:
    """The row holds the formula alone."""
    columns = expand("f", column("formula", params={"formula": "count(kql='outcome: tp') / count()"}))

    found = rows_of(columns, {"hits": {"total": {"value": 8}}, "aggregations": {"fX0": {"doc_count": 2}}})

    assert found.rows == ({"f": 0.25},)


def test_an_undefined_formula_is_nothing_not_zero() -> None:
    """Nothing divided by nothing is no value, and a tile without a value is empty."""
    columns = expand("f", column("formula", params={"formula": "sum(price) / count()"}))

    found = rows_of(columns, {"aggregations": {"fX0": {"value": 0.0}}})

    assert found.rows == ({"f": None},)
    assert found.empty


def test_a_tile_that_says_zero_is_not_empty() -> None:
    """No errors is an answer; a chart of nothing but zeros is none."""
    count = column("count", "___records___")

    assert not rows_of({"count": count}, {}).empty
    flat = {"aggregations": {"time": {"buckets": [{"key": MIDNIGHT, "doc_count": 0}]}}}
    assert rows_of({"time": dates(), "count": count}, flat).empty


def test_rows_of_an_earlier_day_meet_those_of_today() -> None:
    """A bar of the shifted search stands under the bar that it is compared with."""
    day = 24 * HOUR
    columns = {
        "time": dates(),
        **expand("f", column("formula", params={"formula": "sum(price) - sum(price, shift='1d')"})),
    }

    def answer(name: str, key: int, value: float) -> dict[str, Any]:
        return {"aggregations": {"time": {"buckets": [{"key": key, "doc_count": 1, name: {"value": value}}]}}}

    found = rows_of(columns, answer("fX0", MIDNIGHT, 5.0), answer("fX1", MIDNIGHT - day, 2.0))

    assert found.rows == ({"time": MIDNIGHT, "f": 3.0},)


def test_a_rate_is_counted_by_the_length_of_its_bar() -> None:
    """Requests a second are the count of a bar divided by its seconds; the last bar ends with the range."""
    columns = {"time": dates(), "rate": column("count", "___records___", timeScale="s")}
    buckets = [{"key": MIDNIGHT, "doc_count": 7200}, {"key": MIDNIGHT + 23 * HOUR, "doc_count": 3600}]

    found = rows_of(columns, {"aggregations": {"time": {"buckets": buckets}}})

    assert [row["rate"] for row in found.rows] == [2.0, 1.0]


def test_percentiles_and_last_values_are_read() -> None:
    """The one percentile that was asked for, and the newest value; none where there is none."""
    columns = {
        "p95": column("percentile", "price", params={"percentile": 95}),
        "last": column("last_value", "price", params={"sortField": "@timestamp"}),
    }
    hit = {"hits": {"hits": [{"fields": {"price": [7]}}]}}

    found = rows_of(columns, {"aggregations": {"p95": {"values": {"95.0": 12.5}}, "last": hit}})
    none = rows_of(columns, {"aggregations": {"p95": {"values": {"95.0": None}}, "last": {"hits": {"hits": []}}}})

    assert found.rows == ({"p95": 12.5, "last": 7},)
    assert none.rows == ({"p95": None, "last": None},)


def test_ranges_are_named_as_the_panel_names_them() -> None:
    """Elasticsearch's own keys of ranges are not shown."""
    ranges = [{"from": 0, "to": 1, "label": "low"}, {"from": 1, "to": None, "label": "high"}]
    columns = {
        "size": column("range", "price", params={"type": "range", "ranges": ranges}),
        "count": column("count", "___records___"),
    }
    buckets = [
        {"key": "0.0-1.0", "from": 0.0, "to": 1.0, "doc_count": 4},
        {"key": "1.0-*", "from": 1.0, "doc_count": 2},
    ]

    found = rows_of(columns, {"aggregations": {"size": {"buckets": buckets}}})

    assert [row["size"] for row in found.rows] == ["low", "high"]


def test_a_column_keeps_the_format_of_its_field() -> None:
    """A sum of prices is shown as a price; a count of them is not."""
    columns = {"total": column("sum", "price"), "count": column("unique_count", "price")}

    found = rows_of(columns, {"aggregations": {"total": {"value": 1}, "count": {"value": 1}}})

    assert [each.format for each in found.columns] == [{"id": "number"}, None]


def test_a_document_is_read_nested_or_flat() -> None:
    """`model.name` is found below `model`, as a flat key, and not where it is missing."""
    assert source_value({"model": {"name": "click"}}, "model.name") == "click"
    assert source_value({"model.name": "click"}, "model.name") == "click"
    assert source_value({"model": "click"}, "model.name") is None
