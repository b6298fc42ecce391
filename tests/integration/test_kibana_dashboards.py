"""The dashboards on a real Elasticsearch: no search is refused, and every panel has data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.dashboards.dashboard_data import dashboard_data
from monitor_agent.dashboards.joined_outcomes import joined_outcomes
from monitor_agent.dashboards.library import read_library
from monitor_agent.dashboards.panel_views import Notice
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.search_outcomes import search_outcomes
from monitor_agent.kibana.dashboard_check import views_of
from monitor_agent.kibana.dashboard_model import dashboard
from monitor_agent.kibana.folder import read_objects
from monitor_agent.kibana.joined_searches import joined_searches
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.panel_query import PanelData, panel_query, panel_source
from monitor_agent.kibana.searches import SearchRequest
from monitor_agent.kibana.times import TimeRange, time_range
from tests.cluster import Cluster
from tests.command_line import monitor_agent
from tests.integration.kibana_world import NOW, ROOT, filled_world

ALL_PANELS = {
    panel["panelIndex"]
    for path in (ROOT / "kibana/objects/dashboard").glob("*.json")
    for panel in json.loads(path.read_text(encoding="utf-8"))["attributes"]["panelsJSON"]
    if panel["type"] in ("lens", "search")
}
SINGLE_COUNTS = {
    *("health-dead-letters", "health-restatements", "health-waiting"),
    *("alerts-active", "alerts-critical", "alerts-pending", "alerts-recovered"),
}
"""The tiles that count documents."""
OF_OTHER_MODELS = {
    *("quality-positive-rate", "quality-positive-rate-over-time"),
    *("versions-positive-rate", "versions-positive-rate-interval"),
    *(name for name in ALL_PANELS if name.startswith(("multiclass-", "regression-"))),
}
"""Panels without data, because the world's model is binary and judged by clicks."""
OF_ALERTS = {"alerts", "alerts-open", "alerts-over-time", "alerts-by-name", "silences", "overview-verdicts"}
"""Panels without data, because nothing fires in the world and no version is judged; the pages of alerts show them."""


@pytest.fixture(scope="module")
def cluster(elasticsearch: Cluster) -> Iterator[Cluster]:
    """A cluster with ten hours of events and the agent's results."""
    with filled_world(elasticsearch):
        yield elasticsearch


@pytest.fixture(scope="module")
def objects() -> dict[str, SavedObject]:
    """The saved objects in git."""
    return read_objects(ROOT / "kibana")


@pytest.fixture
def as_analyst(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let commands act as the role analyst on a copy of the folder `kibana`; return the copy."""
    settings = cluster.settings("analyst")
    monkeypatch.setenv("ELASTICSEARCH_URL", settings.url[0])
    monkeypatch.setenv("ELASTICSEARCH_USERNAME", settings.username)
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", settings.password)
    copy = Path(shutil.copytree(ROOT / "kibana", tmp_path / "kibana"))
    monkeypatch.setenv("KIBANA_FOLDER", str(copy))
    return copy


def panel_data(
    name: str, panel: str, cluster: Cluster, objects: dict[str, SavedObject], **control_values: list[str]
) -> PanelData:
    """Return the data of a panel of a dashboard, with some values selected in its controls."""
    board = dashboard(objects[f"objects/dashboard/{name}.json"])
    context = board.context(time_range(board.start, board.end, NOW), control_values)
    query = panel_query(panel_source(objects[f"objects/lens/{panel}.json"]), views_of(objects), context)
    with closing(Gateway(connect(cluster.settings("analyst")))) as gateway:
        return query.read(gateway.msearch(query.requests))


@pytest.mark.usefixtures("as_analyst")
def test_every_panel_and_watch_works(capsys: pytest.CaptureFixture[str]) -> None:
    """At the newest prediction no search is refused and no panel is empty."""
    status = monitor_agent("kibana", "check")

    output = capsys.readouterr().out
    assert (status, output.splitlines()[-1][-12:]) == (0, ", 0 problems"), output


def test_the_problems_are_json_for_programs(as_analyst: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document with the counts and each problem: its check, file and message; the exit status stays 1."""
    (as_analyst / "watches" / "lost-lines.json").unlink()

    assert monitor_agent("kibana", "check", "--offline", "--json") == 1

    document = json.loads(capsys.readouterr().out)
    assert document["objects"] > 50
    assert document["problems"] == [
        {
            "check": "stale",
            "file": "watches/lost-lines.json",
            "message": "out of date, run monitor-agent kibana pack",
        }
    ]


@pytest.mark.usefixtures("as_analyst")
def test_empty_panels_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    """In a year without data, all panels are reported that should not be empty, and only those."""
    assert monitor_agent("kibana", "check", "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z") == 1

    output = capsys.readouterr().out
    assert (
        "serving/serving-response-time: [elasticsearch] empty from 2020-01-01 00:00 to 2020-01-02 00:00 UTC\n" in output
    )
    assert "serving-errors:" not in output


def test_a_refused_search_is_found(as_analyst: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A panel whose search Elasticsearch refuses is reported with the reason."""
    path = as_analyst / "objects" / "lens" / "quality-by-version.json"
    saved = json.loads(path.read_text())
    columns = saved["attributes"]["state"]["datasourceStates"]["formBased"]["layers"]["data"]["columns"]
    columns["count"]["sourceField"] = "state"
    path.write_text(json.dumps(saved))

    assert monitor_agent("kibana", "check") == 1

    output = capsys.readouterr().out
    assert (
        "model-quality/quality-by-version: [elasticsearch] lens:quality-by-version: Elasticsearch refuses its search"
        in output
    )
    assert "not supported for aggregation [sum]" in output


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (None, {"drift-bins", "orphan-feedback", "serving-error-budgets", *OF_OTHER_MODELS, *OF_ALERTS}),
        (
            TimeRange(datetime(2020, 1, 1, tzinfo=timezone.utc), datetime(2020, 1, 2, tzinfo=timezone.utc)),
            ALL_PANELS - SINGLE_COUNTS,
        ),
    ],
    ids=["as the dashboards open", "a day without data"],
)
def test_the_same_panels_are_empty_for_the_check_and_the_viewer(
    cluster: Cluster, objects: dict[str, SavedObject], time: TimeRange | None, expected: set[str]
) -> None:
    """Without data, only a tile that counts documents has something to show: its 0."""
    library = read_library(ROOT / "kibana")
    empty_in_viewer: set[str] = set()
    empty_in_check: set[str] = set()
    with closing(Gateway(connect(cluster.settings("viewer")))) as gateway:
        for board in library.dashboards.values():
            board_time = time or time_range(board.start, board.end, NOW)
            data = dashboard_data(gateway, library, board, board_time, {})
            empty_in_viewer |= {name for name, panel in data.panels.items() if isinstance(panel.body, Notice)}
            for panel in board.panels:
                if panel.kind == "markdown":
                    continue
                saved = objects[f"objects/{panel.kind}/{panel.target}.json"]
                query = panel_query(panel_source(saved), library.views, board.context(board_time))
                if query.read(gateway.msearch(query.requests)).empty:
                    empty_in_check.add(panel.id)

    assert empty_in_viewer == empty_in_check == expected


def test_controls_filter_what_is_shown(cluster: Cluster, objects: dict[str, SavedObject]) -> None:
    """One version is one row; one scene has fewer predictions than all scenes."""

    def rows(**control_values: list[str]) -> dict[Any, Any]:
        data = panel_data("model-quality", "quality-by-version", cluster, objects, **control_values)
        return {row["version"]: row["count"] for row in data.tables["data"].rows}

    all_versions, first_version = rows(), rows(version=["1"])
    scene = rows(segment=["labels.scene=search"])
    assert first_version == {"1": all_versions["1"]}
    assert 0 < scene["1"] < all_versions["1"]


def test_values_are_those_of_the_sums(cluster: Cluster, objects: dict[str, SavedObject]) -> None:
    """A tile is computed from the sums of its windows, and its interval contains it."""

    def value(panel: str) -> Any:
        return panel_data("model-quality", panel, cluster, objects).tables["data"].rows[0]["value"]

    tp, fp, fn = (value(f"confusion-{name}") for name in ("tp", "fp", "fn"))
    over_time = panel_data("model-quality", "quality-f1-over-time", cluster, objects)

    assert value("quality-f1") == pytest.approx(2 * tp / (2 * tp + fp + fn))
    for row in over_time.tables["data"].rows:
        if row["value"] is not None:
            assert row["low"] <= row["value"] <= row["high"]  # type: ignore[operator]


def test_releases_are_marked(cluster: Cluster, objects: dict[str, SavedObject]) -> None:
    """The three versions that went live are one mark each on the charts over time; what a server did is none."""
    data = panel_data("model-quality", "quality-f1-over-time", cluster, objects)

    assert [release.text for release in data.annotations] == ["1", "2", "3"]


def test_joined_searches_respond_as_single_ones(cluster: Cluster, objects: dict[str, SavedObject]) -> None:
    """Every panel of every dashboard reads the same from fewer searches."""
    library = read_library(ROOT / "kibana")
    for board in library.dashboards.values():
        context = board.context(time_range(board.start, board.end, NOW))
        requests = [
            request
            for panel in board.panels
            if panel.kind != "markdown"
            for request in panel_query(
                panel_source(objects[f"objects/{panel.kind}/{panel.target}.json"]), library.views, context
            ).requests
        ]
        with closing(Gateway(connect(cluster.settings("viewer")))) as gateway:
            of_joined, of_single = joined_outcomes(gateway, requests), search_outcomes(gateway, requests)

        assert [_content(outcome) for outcome in of_joined] == [_content(outcome) for outcome in of_single], board.id
        assert len(joined_searches(requests).requests) < len(requests), board.id


def _content(outcome: Any) -> Any:
    """Return a response without what differs each time, such as how long it took."""
    return {name: value for name, value in outcome.items() if name in ("hits", "aggregations")}


def test_a_refused_search_leaves_those_that_it_was_joined_with(cluster: Cluster) -> None:
    """The sum of a word is refused; the sum of the same documents' predictions is there."""
    sums = [
        SearchRequest(PERFORMANCE.pattern, {"size": 0, "aggs": {"value": {"sum": {"field": name}}}})
        for name in ("predictions", "state")
    ]
    assert len(joined_searches(sums).requests) == 1

    with closing(Gateway(connect(cluster.settings("viewer")))) as gateway:
        predictions, words = joined_outcomes(gateway, sums)

    assert isinstance(predictions, dict)
    assert predictions["aggregations"]["value"]["value"] > 0
    assert "not supported for aggregation [sum]" in str(words)
