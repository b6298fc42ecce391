"""Alerts: the readable list, what is asked for each, and the watches and rules made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.alerting import kql
from monitor_agent.alerting.definitions import Alert, alert_on_firings, alert_query, breaches, parse_alerts
from monitor_agent.alerting.firings import Breach
from monitor_agent.errors import DataError
from monitor_agent.kibana.checks import check_alerts
from monitor_agent.kibana.folder import read_alerts, read_objects
from monitor_agent.kibana.rules import rule
from monitor_agent.kibana.watches import fires, search_of, watch

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
    looks=(2, 3),
    values=("response_time_p95",),
    group_by=("model_name",),
)
SILENT = replace(SLOW, at_least=0, fewer_than=1, group_by=(), values=(), agent=False)
QUALITY = replace(SLOW, id="bad", group_by=("model_name", "model_version"), inhibited_by=("slow",))
DUE = "2026-03-02T10:00:00Z"


def test_every_alert_in_git_is_right() -> None:
    """Fields, dashboards, watches and rules are all as they should be."""
    assert check_alerts(ALERTS, read_objects(ROOT / "kibana")) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"where": "respose_time_p95 > 250", "values": ()}, "model-performance-* has no field respose_time_p95"),
        ({"index": "model-errors-*"}, "model-errors-* has no field response_time_p95"),
        ({"index": "logs-*"}, "no data view reads logs-*"),
        ({"dashboard": "servings"}, "the dashboard servings does not exist"),
        ({"every": "90ms", "agent": False, "group_by": ()}, "watch trigger/schedule/interval: '90ms' does not match"),
    ],
)
def test_what_is_wrong_with_an_alert_is_found(change: dict[str, Any], message: str) -> None:
    """Each mistake is told with the alert's name."""
    findings = check_alerts([replace(SLOW, **change)], read_objects(ROOT / "kibana"))

    assert any(finding.message.startswith(f"slow: {message}") for finding in findings), findings


def answer(total: int = 0, **aggregations: Any) -> dict[str, Any]:
    """Return the answer to a search."""
    return {"hits": {"total": {"value": total}}, "aggregations": aggregations}


def test_a_watch_looks_for_active_firings_from_when_it_was_due() -> None:
    """A watch that runs late looks at the same documents, by the model that they are about."""
    index, body = search_of(watch(SLOW), DUE)

    times = body["query"]["bool"]["filter"][0]["range"]["@timestamp"]
    assert index == "model-alerts-*"
    assert (times["gte"], times["lte"]) == (f"{DUE}||-400d", DUE)
    assert body["query"]["bool"]["filter"][1] == kql.query("rule.name: slow and state: active")
    assert body["aggs"] == {"groups": {"terms": {"field": "model_name", "size": 50}}}


def test_people_are_not_told_of_what_is_held_back() -> None:
    """The watch and the rule of an alert that can be held back look at that, too."""
    assert alert_on_firings(QUALITY).where == "rule.name: bad and state: active and not inhibited_by: *"


def test_the_agents_own_silence_is_looked_for_by_the_watch_itself() -> None:
    """The agent could not tell it."""
    index, body = search_of(watch(SILENT), DUE)

    assert index == "model-performance-*"
    assert body["query"]["bool"]["filter"][1] == kql.query(SILENT.where)
    assert rule(SILENT)["alert_delay"] == {"active": 2}
    assert rule(SILENT)["params"]["thresholdComparator"] == "<"


def test_a_watch_fires_for_any_firing() -> None:
    """One is enough, whichever model's; there is none where there is no index yet."""
    assert fires(watch(SLOW), answer(1))
    assert not fires(watch(SLOW), {"hits": {"total": {"value": 0}}})


def test_the_agent_asks_how_many_documents_tell_of_trouble_and_how_bad_it_is() -> None:
    """The question looks back from the look, by group, with the end of the value that is worse."""
    index, body = alert_query(SLOW, DUE)

    assert index == "model-performance-*"
    assert body["query"]["bool"]["filter"][0]["range"]["@timestamp"]["gte"] == f"{DUE}||-10m"
    worst = {"response_time_p95": {"max": {"field": "response_time_p95"}}}
    assert body["aggs"] == {"groups": {"terms": {"field": "model_name", "size": 50}, "aggs": worst}}


def test_each_group_with_enough_documents_is_a_sighting() -> None:
    """Three documents of one model are; three of three models, or of three versions, are not."""

    def counted(**counts: int) -> dict[str, Any]:
        return {
            "buckets": [
                {"key": key, "doc_count": count, "response_time_p95": {"value": 300.0 + count}}
                for key, count in counts.items()
            ]
        }

    versions = {"buckets": [{"key": "click", "doc_count": 6, "groups": counted(v1=3, v2=2)}]}
    found = Breach("slow", (("model_name", "b"),), "response_time_p95", 303.0, 250.0)
    assert breaches(SLOW, answer(groups=counted(a=1, b=3))) == [found]
    assert breaches(SLOW, answer(groups=counted(a=1, b=1, c=1))) == []
    assert [each.group for each in breaches(QUALITY, answer(groups=versions))] == [
        (("model_name", "click"), ("model_version", "v1"))
    ]
    assert breaches(SLOW, {"hits": {"total": {"value": 0}}}) == []


def test_of_several_values_the_one_beyond_its_limit_is_told() -> None:
    """The lag is fine, the delivery is not."""
    lag = next(alert for alert in ALERTS if alert.id == "pipeline-lag")

    (found,) = breaches(lag, answer(2, lag_seconds={"value": 3.0}, delivery_seconds={"value": 400.0}))

    assert (found.measure, found.value, found.limit) == ("delivery_seconds", 400.0, 300.0)


def test_what_is_missing_fires_too() -> None:
    """An alert on fewer documents fires on none."""
    assert fires(watch(SILENT), {"hits": {"total": {"value": 0}}})
    assert not fires(watch(SILENT), {"hits": {"total": {"value": 1}}})


def test_a_condition_that_reads_what_no_search_answers_is_refused() -> None:
    """The error names the path."""
    edited = {"condition": {"compare": {"ctx.payload.hits.totals": {"gte": 1}}}}
    with pytest.raises(DataError, match=r"ctx\.payload\.hits\.totals"):
        fires(edited, answer(1))


def test_a_rule_says_the_same_as_the_watch() -> None:
    """The query, the window, the number and the groups are those of the watch."""
    params = rule(SLOW)["params"]

    assert json.loads(params["esQuery"])["query"] == kql.query(alert_on_firings(SLOW).where)
    assert (params["timeWindowSize"], params["timeWindowUnit"]) == (400, "d")
    assert (params["thresholdComparator"], params["threshold"]) == (">=", [1])
    assert (params["groupBy"], params["termField"]) == ("top", "model_name")
    assert rule(SLOW)["alert_delay"] == {"active": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "no TOML"),
        ("[a]\ntitle = 'x'", "is incomplete"),
        ("[a]\nlimit = 3", "has no key limit"),
        ("a = 3", "has no key a"),
        ("[a]\nlooks = 3", "looks is a list"),
        (
            (ROOT / "kibana" / "alerts.toml").read_text().replace('"lost-lines"]', '"quality-drop"]'),
            "cannot hold it back",
        ),
    ],
)
def test_a_broken_list_is_refused(text: str, message: str) -> None:
    """The error names the alert and the key."""
    with pytest.raises(DataError, match=message):
        parse_alerts(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fewer_than": 1}, "either at_least or fewer_than"),
        ({"at_least": 0, "fewer_than": 1}, "has no groups"),
        ({"severity": "urgent"}, "severity is one of"),
        ({"look_back": "1M"}, "no fixed length"),
        ({"where": "a:"}, "no KQL"),
        ({"where": "a: b"}, "response_time_p95 is not compared"),
        ({"looks": (3, 2)}, r"looks are \[N, M\]"),
        ({"every": "1M"}, "no fixed length"),
        ({"group_by": ("model_version",)}, "groups are model_name, model_version"),
    ],
)
def test_an_alert_that_cannot_be_one_is_refused(change: dict[str, Any], message: str) -> None:
    """What contradicts itself is told before it is packed."""
    with pytest.raises(DataError, match=message):
        replace(SLOW, **change)
