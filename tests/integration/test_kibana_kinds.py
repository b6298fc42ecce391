"""Models of several kinds on one cluster: each dashboard shows those that its numbers are of, by the name that fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sklearn.metrics import precision_recall_fscore_support

from monitor_agent.dashboards.library import read_library
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.kibana.panel_query import panel_query, panel_source
from monitor_agent.kibana.times import time_range
from tests.cluster import Cluster
from tests.factories import START
from tests.integration.kibana_world import NOW, ROOT, SETTINGS, filled_world
from tests.integration.kinds_world import CASES, CLASSES, PRICE, SHOES, events_of_kinds, judged_events, store_cases

OF_ALL_KINDS = {
    *("versions-traffic", "versions-errors", "versions-response-time"),
    *("drift-share", "drift-features", "drift-map", "drift-bins", "drift-psi-over-time", "drift-scene-mix"),
}
"""Panels about traffic and features, which all models have."""
MODEL_OF = {
    "model-quality": "click",
    "versions-compared": "click",
    "drift": "click",
    "search-and-ranking": "click",
    "multiclass": SHOES,
    "regression": PRICE,
}


@pytest.fixture(scope="module")
def cluster(elasticsearch: Cluster) -> Iterator[Cluster]:
    """A cluster with a click model, a multiclass model and a regression at the same hours."""
    with filled_world(elasticsearch, events_of_kinds(START)):
        yield elasticsearch


def rows_of(cluster: Cluster, board_name: str, **control_values: list[str]) -> dict[str, Any]:
    """Return the rows of each chart, table and tile of a dashboard."""
    library = read_library(ROOT / "kibana")
    board = library.dashboards[board_name]
    context = board.context(time_range(board.start, board.end, NOW), control_values)
    tables = {}
    with closing(Gateway(connect(cluster.settings("viewer")))) as gateway:
        for panel in board.panels:
            if panel.kind == "lens" and panel.id not in OF_ALL_KINDS:
                query = panel_query(panel_source(library.objects["lens", panel.target]), library.views, context)
                data = query.read(gateway.msearch(query.requests))
                tables[panel.id] = {name: table.rows for name, table in data.tables.items()}
    return tables


@pytest.mark.parametrize("board", MODEL_OF)
def test_a_dashboard_leaves_out_models_of_other_kinds(cluster: Cluster, board: str) -> None:
    """All models together look like the only model of the right kind, in every panel."""
    everything, alone = rows_of(cluster, board), rows_of(cluster, board, model=[MODEL_OF[board]])

    assert {name for name in alone if everything[name] != alone[name]} == set()
    assert any(rows for tables in alone.values() for rows in tables.values())


def test_the_table_of_classes_is_that_of_scikit_learn(cluster: Cluster) -> None:
    """Precision, recall and F1 of each class come from sums: they are not means of windows."""
    rows = [row for row in judged_events(START) if isinstance(row.truth, str)]
    table = {
        (row["version"], row["class"]): row for row in rows_of(cluster, "multiclass")["multiclass-classes"]["data"]
    }

    columns = ("of-precision", "of-recall", "of-f1", "values")
    for version in ("1", "2"):
        of_version = [row for row in rows if row.prediction["model"]["version"] == version]
        true, predicted = (
            [row.truth for row in of_version],
            [row.prediction["prediction"]["class"] for row in of_version],
        )
        scores = precision_recall_fscore_support(true, predicted, labels=CLASSES, zero_division=0)
        for values in zip(CLASSES, *scores, strict=True):
            row = table.get((version, values[0]), dict.fromkeys(columns))
            assert [row[name] or 0 for name in columns] == pytest.approx(values[1:], rel=1e-9)


def test_a_model_judged_by_labels_has_a_positive_rate_and_no_ctr(cluster: Cluster) -> None:
    """Over time, by version and in the tables; a click model beside it keeps its CTR."""
    with cluster.client() as admin:
        store_cases(admin, START, SETTINGS)

    quality, versions = (rows_of(cluster, board, model=[CASES]) for board in ("model-quality", "versions-compared"))
    rates = {
        "over time": quality["quality-positive-rate-over-time"]["data"][0]["value"],
        "tile": quality["quality-positive-rate"]["data"][0]["value"],
        "by version": versions["versions-positive-rate"]["data"][0]["value"],
        "interval": versions["versions-positive-rate-interval"]["data"][0]["value"],
        "tables": quality["quality-by-version"]["data"][0]["rate"],
        "segments": next(row for row in quality["quality-by-segment"]["data"] if row["model"] == CASES)["rate"],
        "versions": versions["versions-table"]["data"][0]["rate"],
    }
    assert rates == dict.fromkeys(rates, 0.5)
    assert not quality["quality-ctr"]["data"]
    assert not quality["quality-ctr-over-time"]["data"]
    assert not versions["versions-ctr"]["data"]
    assert {row["ctr"] for row in versions["versions-table"]["data"]} == {None}
    (click,) = rows_of(cluster, "model-quality", version=["2"])["quality-by-version"]["data"]
    assert 0 < click["ctr"] < 1
    assert click["rate"] is None
