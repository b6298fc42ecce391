"""Values that are merged from states: literal windows in, one value out."""

from __future__ import annotations

from typing import Any

import pytest

from monitor_agent.dashboards.merged_states import MARK, MergedRange, read_states, with_merged
from monitor_agent.kibana.formula import expand
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.tables import Table, TableColumn
from monitor_agent.metrics import WindowState
from tests.unit.monitor_agent.kibana.samples import DAY, column, make_panel, terms

HOUR = WindowState(tp=1, fn=1, tn=2, scores_pos={90: 1, 10: 1}, scores_neg={20: 2})
OTHER_HOUR = WindowState(tp=1, tn=1, scores_pos={90: 1}, scores_neg={20: 1})


def window(size: str, start: str, end: str, state: WindowState) -> dict[str, Any]:
    """Return a hit for a window of version 2 of churn."""
    times = {"window_start": f"2026-03-02T{start}Z", "window_end": f"2026-03-{end}Z", "window_size": size}
    names = {"model_name": "churn", "model_version": "2", "judged_by": "click"}
    return {"_source": {**names, **times, "state_blob": state.to_blob()}}


def response(*hits: dict[str, Any], total: int | None = None) -> dict[str, Any]:
    """Return the response that holds these windows."""
    return {"hits": {"total": {"value": len(hits) if total is None else total}, "hits": list(hits)}}


def test_the_value_of_a_range_is_that_of_all_its_events() -> None:
    """Of the nine pairs of a positive and a negative, six are in order: 0.67, where the mean of both hours is 0.75.

    An hour inside of a day is not counted twice.
    """
    hours = [window("1h", "10:00:00", "02T11:00:00", HOUR), window("1h", "11:00:00", "02T12:00:00", OTHER_HOUR)]
    day = window("1d", "10:00:00", "03T10:00:00", HOUR)

    merged = read_states([response(*hours), response(day, hours[0])])

    assert merged.now is not None
    assert merged.now["churn/2"]["auc"] == pytest.approx(6 / 9, abs=0.01)
    assert merged.before is not None
    assert merged.before["churn/2"]["n"] == 4


def test_of_too_many_windows_the_mean_stays_and_says_so() -> None:
    """The label that tells of the mean stays in its place."""
    merged = read_states([response(total=10_000), response()])
    table, panel = tile()

    data = with_merged(panel, PanelData(DAY, {"data": table}), merged)

    assert data.tables["data"] == table


def test_a_tile_shows_the_merged_value_and_its_change() -> None:
    """The value, the change and the label replace those of the mean."""
    table, panel = tile()
    merged = MergedRange({"churn/2": {"auc": 0.75}}, {"churn/2": {"auc": 0.5}})

    table_of_tile = with_merged(panel, PanelData(DAY, {"data": table}), merged).tables["data"]

    assert table_of_tile.rows == ({"series": "churn/2", "value": 0.75, "change": 25.0},)
    assert [entry.label for entry in table_of_tile.columns] == ["Series", "AUC", "Change"]


def tile() -> tuple[Table, Any]:
    """Return the table and the panel of a tile with the mean of AUC, and its change in hundredths."""
    change = column(
        "formula", label="Change", params={"formula": "100 * (average(auc) - average(auc, shift='previous'))"}
    )
    columns = {
        "series": terms("model_name", secondaryFields=["model_version"]),
        "value": column("average", "auc", label="AUC" + MARK),
        **expand("change", change),
    }
    kinds = {"series": "Series", "value": "AUC" + MARK, "change": "Change"}
    of_table = tuple(TableColumn(name, label, "number", name == "series", None) for name, label in kinds.items())
    return Table(of_table, ({"series": "churn/2", "value": 0.9, "change": 3.0},)), make_panel(columns)
