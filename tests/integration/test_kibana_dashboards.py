"""The dashboards on a real Elasticsearch: every panel's search is taken, and every panel has something to show."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.es.gateway import Gateway, connect
from monitor_agent.kibana.dashboard_check import Shown, show, views_of
from monitor_agent.kibana.dashboard_model import dashboard
from monitor_agent.kibana.folder import read_objects
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.times import time_range
from tests.cluster import Cluster
from tests.command_line import monitor_agent
from tests.integration.kibana_world import NOW, ROOT, ask_of, filled_world


@pytest.fixture(scope="module")
def cluster(elasticsearch: Cluster) -> Iterator[Cluster]:
    """A cluster with ten hours of events and what the agent made of them."""
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


def shown(name: str, panel: str, cluster: Cluster, objects: dict[str, SavedObject], **chosen: list[str]) -> Shown:
    """Return what a panel of a dashboard shows, with some controls chosen."""
    found = dashboard(objects[f"objects/dashboard/{name}.json"])
    context = found.context(time_range(found.start, found.end, NOW), chosen)
    with closing(Gateway(connect(cluster.settings("analyst")))) as gateway:
        return show(objects[f"objects/lens/{panel}.json"], views_of(objects), context, ask_of(gateway))


@pytest.mark.usefixtures("as_analyst")
def test_every_panel_and_watch_works(capsys: pytest.CaptureFixture[str]) -> None:
    """No search is refused and no panel is empty, as an analyst opens the dashboards at the newest prediction."""
    status = monitor_agent("kibana", "check")

    told = capsys.readouterr().out
    assert (status, told.splitlines()[-1][-12:]) == (0, ", 0 problems"), told


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
    """In a year without data every panel that should not be empty is told, and only those."""
    assert monitor_agent("kibana", "check", "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z") == 1

    told = capsys.readouterr().out
    assert (
        "serving/serving-response-time: [elasticsearch] empty from 2020-01-01 00:00 to 2020-01-02 00:00 UTC\n" in told
    )
    assert "serving-errors:" not in told


def test_a_refused_search_is_found(as_analyst: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A panel that asks for what Elasticsearch refuses is told with the reason."""
    path = as_analyst / "objects" / "lens" / "quality-by-version.json"
    saved = json.loads(path.read_text())
    columns = saved["attributes"]["state"]["datasourceStates"]["formBased"]["layers"]["data"]["columns"]
    columns["count"]["sourceField"] = "state"
    path.write_text(json.dumps(saved))

    assert monitor_agent("kibana", "check") == 1

    told = capsys.readouterr().out
    assert (
        "model-quality/quality-by-version: [elasticsearch] lens:quality-by-version: Elasticsearch refuses its search"
        in told
    )
    assert "not supported for aggregation [sum]" in told


def test_controls_filter_what_is_shown(cluster: Cluster, objects: dict[str, SavedObject]) -> None:
    """One version is one row; a scene has fewer predictions than all."""

    def rows(**chosen: list[str]) -> dict[Any, Any]:
        found = shown("model-quality", "quality-by-version", cluster, objects, **chosen).tables["data"]
        return {row["version"]: row["count"] for row in found.rows}

    everything, one = rows(), rows(version=["1"])
    scene = rows(segment=["labels.scene=search"])
    assert one == {"1": everything["1"]}
    assert 0 < scene["1"] < everything["1"]


def test_values_are_those_of_the_sums(cluster: Cluster, objects: dict[str, SavedObject]) -> None:
    """A tile says what the sums of its windows give, and its interval holds it."""

    def value(panel: str) -> Any:
        return shown("model-quality", panel, cluster, objects).tables["data"].rows[0]["value"]

    tp, fp, fn = (value(f"confusion-{name}") for name in ("tp", "fp", "fn"))
    over_time = shown("model-quality", "quality-f1-over-time", cluster, objects)

    assert value("quality-f1") == pytest.approx(2 * tp / (2 * tp + fp + fn))
    for row in over_time.tables["data"].rows:
        if row["value"] is not None:
            assert row["low"] <= row["value"] <= row["high"]  # type: ignore[operator]


def test_releases_are_marked(cluster: Cluster, objects: dict[str, SavedObject]) -> None:
    """The three versions that went live are marks on the charts over time."""
    assert shown("model-quality", "quality-f1-over-time", cluster, objects).marked == 3
