"""Alerts: the readable list, and the watches and rules made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.errors import DataError
from monitor_agent.kibana import kql
from monitor_agent.kibana.alerts import Alert, alerts, fires, rule, search_of, watch
from monitor_agent.kibana.checks import check_alerts
from monitor_agent.kibana.folder import read_alerts, read_objects

ROOT = Path(__file__).parents[4]
ALERTS = read_alerts(ROOT / "kibana")

SLOW = Alert(
    id="slow",
    title="Slow",
    message="p95 over 250 ms",
    index="model-performance-*",
    where="response_time_p95 > 250",
    look_back="10m",
    every="1m",
    throttle="1h",
    severity="warning",
    dashboard="serving",
    at_least=3,
    in_a_row=2,
    group_by=("model_name",),
)
SILENT = replace(SLOW, at_least=0, fewer_than=1, group_by=())


def test_every_alert_in_git_is_right() -> None:
    """Fields, dashboards, watches and rules are all as they should be."""
    assert check_alerts(ALERTS, read_objects(ROOT / "kibana")) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"where": "respose_time_p95 > 250"}, "model-performance-* has no field respose_time_p95"),
        ({"group_by": ("model",)}, "model-performance-* has no field model"),
        ({"index": "logs-*"}, "no data view reads logs-*"),
        ({"dashboard": "servings"}, "the dashboard servings does not exist"),
        ({"every": "90ms"}, "watch trigger/schedule/interval: '90ms' does not match"),
    ],
)
def test_what_is_wrong_with_an_alert_is_found(change: dict[str, Any], message: str) -> None:
    """Each mistake is told with the alert's name."""
    findings = check_alerts([replace(SLOW, **change)], read_objects(ROOT / "kibana"))

    assert any(finding.message.startswith(f"slow: {message}") for finding in findings), findings


def test_a_watch_looks_back_from_when_it_was_due() -> None:
    """A watch that runs late looks at the same documents."""
    index, body = search_of(watch(SLOW), "2026-03-02T10:00:00Z")

    times = body["query"]["bool"]["filter"][0]["range"]["@timestamp"]
    assert index == "model-performance-*"
    assert (times["gte"], times["lte"]) == ("2026-03-02T10:00:00Z||-10m", "2026-03-02T10:00:00Z")
    assert body["aggs"] == {"groups": {"terms": {"field": "model_name", "size": 50}}}


def test_a_watch_fires_for_one_group_that_has_enough() -> None:
    """Three documents of one model fire; three of three models do not."""

    def answer(*counts: int) -> dict[str, Any]:
        buckets = [{"key": str(number), "doc_count": count} for number, count in enumerate(counts)]
        return {"hits": {"total": {"value": sum(counts)}}, "aggregations": {"groups": {"buckets": buckets}}}

    assert fires(watch(SLOW), answer(1, 3))
    assert not fires(watch(SLOW), answer(1, 1, 1))
    assert not fires(watch(SLOW), answer())


def test_what_is_missing_fires_too() -> None:
    """An alert on fewer documents fires on none."""
    assert fires(watch(SILENT), {"hits": {"total": {"value": 0}}})
    assert not fires(watch(SILENT), {"hits": {"total": {"value": 1}}})


def test_a_condition_that_reads_what_no_search_answers_is_refused() -> None:
    """The error names the path."""
    with pytest.raises(DataError, match=r"ctx\.payload\.aggregations\.groups\.buckets"):
        fires(watch(SLOW), {"hits": {"total": {"value": 0}}})


def test_a_rule_says_the_same_as_the_watch() -> None:
    """The query, the window, the number and the groups are those of the alert."""
    params = rule(SLOW)["params"]

    assert json.loads(params["esQuery"])["query"] == kql.query(SLOW.where)
    assert (params["timeWindowSize"], params["timeWindowUnit"]) == (10, "m")
    assert (params["thresholdComparator"], params["threshold"]) == (">=", [3])
    assert (params["groupBy"], params["termField"]) == ("top", "model_name")
    assert rule(SLOW)["alert_delay"] == {"active": 2}
    assert rule(SILENT)["params"]["thresholdComparator"] == "<"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "no TOML"),
        ("[a]\ntitle = 'x'", "is incomplete"),
        ("[a]\nlimit = 3", "has no key limit"),
    ],
)
def test_a_broken_list_is_refused(text: str, message: str) -> None:
    """The error names the alert and the key."""
    with pytest.raises(DataError, match=message):
        alerts(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fewer_than": 1}, "either at_least or fewer_than"),
        ({"at_least": 0, "fewer_than": 1}, "has no groups"),
        ({"severity": "urgent"}, "severity is one of"),
        ({"look_back": "1M"}, "no fixed length"),
        ({"where": "a:"}, "no KQL"),
    ],
)
def test_an_alert_that_cannot_be_one_is_refused(change: dict[str, Any], message: str) -> None:
    """What contradicts itself is told before it is packed."""
    with pytest.raises(DataError, match=message):
        replace(SLOW, **change)
