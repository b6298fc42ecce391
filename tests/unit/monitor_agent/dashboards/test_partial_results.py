"""Dashboards on a cluster that lacks shards: a notice instead of a wrong number, on pages, in JSON and in reports.

The cluster is an HTTP server that responds as Elasticsearch does.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.clock import FixedClock
from monitor_agent.dashboards.app import Viewer, create_app
from monitor_agent.dashboards.library import read_library
from monitor_agent.dashboards.reports import ReportContent, report
from monitor_agent.dashboards.server import PATIENCE
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.settings import ElasticsearchSettings
from tests.unit.monitor_agent.es.answers import Answer, Server, serving

KIBANA = Path(__file__).parents[4] / "kibana"
NOW = datetime(2026, 3, 2, 20, tzinfo=timezone.utc)
WHOLE: dict[str, Any] = {"timed_out": False, "_shards": {"total": 3, "successful": 3, "skipped": 0, "failed": 0}}
LOST_SHARD: dict[str, Any] = {**WHOLE, "_shards": {"total": 3, "successful": 2, "skipped": 0, "failed": 1}}
TIMED_OUT: dict[str, Any] = {**WHOLE, "timed_out": True}
PREDICTIONS = 4711
"""The number of predictions in each response, whole or not: part of a page only if it is true."""


def documents(body: dict[str, Any]) -> dict[str, Any]:
    """Return the response to a search without its state: every number is `PREDICTIONS`, and there are no groups."""
    aggregations = {}
    for name, aggregation in body.get("aggs", {}).items():
        filters = aggregation.get("filters", {}).get("filters", {})
        buckets = {label: {"doc_count": PREDICTIONS} for label in filters} or []
        value = {"value": PREDICTIONS} if "filter" in aggregation else PREDICTIONS
        aggregations[name] = {"value": value, "doc_count": PREDICTIONS, "buckets": buckets}
    return {"hits": {"total": {"value": PREDICTIONS}, "hits": []}, "aggregations": aggregations}


@contextlib.contextmanager
def cluster(state: dict[str, Any], degraded: str) -> Iterator[tuple[Gateway, Server]]:
    """Yield a gateway to a server whose responses from the indices `degraded` are in this state."""

    def respond(lines: Sequence[Any]) -> dict[str, Any]:
        searches = zip(lines[::2], lines[1::2], strict=True)
        return {
            "responses": [
                {**(state if degraded in header["index"] else WHOLE), **documents(body)} for header, body in searches
            ]
        }

    with serving(Answer(respond)) as server:
        gateway = Gateway(connect(ElasticsearchSettings(url=(server.url,))), PATIENCE)
        with contextlib.closing(gateway):
            yield gateway, server


def dashboard_json(gateway: Gateway, dashboard: str) -> Any:
    """Return the data that the viewer sends to the page of a dashboard."""
    app = create_app(Viewer(read_library(KIBANA), gateway, FixedClock(NOW), KIBANA / "vega.js"))
    return json.loads(app.test_client().get(f"/dashboards/{dashboard}/data").data)


@pytest.mark.parametrize(
    ("state", "message"),
    [(LOST_SHARD, "incomplete: 1 of 3 shards did not answer"), (TIMED_OUT, "incomplete: the search was stopped")],
    ids=["a shard is lost", "timed out"],
)
def test_a_page_shows_a_notice_instead_of_a_wrong_number(state: dict[str, Any], message: str) -> None:
    """Panels of the degraded indices say that they are incomplete; panels of others show their numbers, all at once."""
    with cluster(state, "model-predictions") as (gateway, server):
        data = dashboard_json(gateway, "serving")

    bodies = {name: panel["body"] for name, panel in data["panels"].items()}
    incomplete = {name for name, body in bodies.items() if body.get("tone") == "incomplete"}
    assert {"serving-requests", "serving-response-time"} <= incomplete < set(bodies)
    assert all(bodies[name]["text"].startswith(f"Not read: {message}") for name in incomplete)
    assert str(PREDICTIONS) not in json.dumps([bodies[name] for name in incomplete])
    assert data["options"]["model"].startswith(f"Not read: {message}")
    # One request for what the cluster holds, which is kept for a minute, and one for all panels.
    assert len(server.requests) == 2


def test_missing_shards_are_not_reported_as_missing_data() -> None:
    """The page must not say that there are no data: the missing shards may hold them."""
    with cluster(LOST_SHARD, "model-") as (gateway, _):
        data = dashboard_json(gateway, "serving")

    assert data["empty"] is False
    assert data["extent"] is None


def test_whole_responses_give_numbers() -> None:
    """The same cluster without a degraded index shows the number of its documents, and no notice of shards."""
    with cluster(WHOLE, "model-predictions") as (gateway, _):
        data = dashboard_json(gateway, "pipeline-health")

    assert data["panels"]["health-waiting"]["body"]["tiles"][0]["text"] == f"{PREDICTIONS:,}"
    assert "incomplete" not in json.dumps(data["panels"])


@pytest.mark.parametrize(("suffix", "beginning"), [("html", b"<!doctype html>"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_report_shows_the_notice(tmp_path: Path, suffix: str, beginning: bytes) -> None:
    """The panel of a report is marked for programs and says in words that shards are missing."""
    out = tmp_path / f"report.{suffix}"
    with cluster(LOST_SHARD, "model-predictions") as (gateway, _):
        report(gateway, KIBANA, out, NOW, ReportContent(dashboards=("serving",)))

    content = out.read_bytes()
    assert content.startswith(beginning)
    if suffix == "html":
        assert "The models were not read." in content.decode()
        (panel,) = re.findall(r'data-panel="serving/serving-requests" (.*?)</section>', content.decode(), re.DOTALL)
        assert panel.startswith('data-shows="incomplete"')
        assert "incomplete: 1 of 3 shards did not answer" in panel
        assert f"{PREDICTIONS:,}" not in panel
