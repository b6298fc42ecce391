"""The watches and rules of alerts, and the checks of alerts against the saved objects."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from monitor_agent.alerting import kql
from monitor_agent.alerting.conditions import alert_on_firings
from monitor_agent.errors import DataError
from monitor_agent.kibana.checks import check_alerts
from monitor_agent.kibana.folder import read_alerts, read_objects
from monitor_agent.kibana.rules import rule
from monitor_agent.kibana.watches import fires, search_of, watch
from tests.unit.monitor_agent.alerting.sample_alerts import DUE, ROOT, SILENT, SLOW, answer

NO_HITS = {"hits": {"total": {"value": 0}}}


def test_the_alerts_in_git_are_right() -> None:
    """Their fields and dashboards exist, and their watches and rules have the right form."""
    assert check_alerts(read_alerts(ROOT / "kibana"), read_objects(ROOT / "kibana")) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"where": "respose_time_p95 > 250", "values": ()}, "model-performance-* has no field respose_time_p95"),
        ({"index": "model-errors-*"}, "model-errors-* has no field response_time_p95"),
        ({"index": "logs-*"}, "no data view reads logs-*"),
        ({"dashboard": "servings"}, "the dashboard servings does not exist"),
        (
            {"interval": "90ms", "agent": False, "group_by": ()},
            "watch trigger/schedule/interval: '90ms' does not",
        ),
    ],
)
def test_a_mistake_in_an_alert_is_reported(change: dict[str, Any], message: str) -> None:
    """The message names the alert."""
    findings = check_alerts([replace(SLOW, **change)], read_objects(ROOT / "kibana"))

    assert any(finding.message.startswith(f"slow: {message}") for finding in findings), findings


def test_a_watch_searches_active_firings_as_of_when_it_was_due() -> None:
    """A watch that runs late searches the same documents; they are grouped by model."""
    index, body = search_of(watch(SLOW), DUE)

    times = body["query"]["bool"]["filter"][0]["range"]["@timestamp"]
    assert index == "model-alerts-*"
    assert (times["gte"], times["lte"]) == (f"{DUE}||-400d", DUE)
    assert body["query"]["bool"]["filter"][1] == kql.query("rule.name: slow and state: active")
    assert body["aggs"] == {"groups": {"terms": {"field": "model_name", "size": 50}}}


def test_the_watch_evaluates_the_agents_silence_itself() -> None:
    """A silent agent cannot report its silence."""
    index, body = search_of(watch(SILENT), DUE)

    assert index == "model-performance-*"
    assert body["query"]["bool"]["filter"][1] == kql.query(SILENT.where)
    assert rule(SILENT)["alert_delay"] == {"active": 2}
    assert rule(SILENT)["params"]["thresholdComparator"] == "<"


def test_a_watch_fires_for_any_firing() -> None:
    """One firing is enough, of whichever model; without an index there is none."""
    assert fires(watch(SLOW), answer(1))
    assert not fires(watch(SLOW), NO_HITS)


def test_a_watch_on_too_few_documents_fires_on_none() -> None:
    """It does not fire on one document."""
    assert fires(watch(SILENT), NO_HITS)
    assert not fires(watch(SILENT), {"hits": {"total": {"value": 1}}})


def test_a_condition_on_a_path_that_the_search_does_not_answer_is_refused() -> None:
    """The error names the path."""
    edited = {"condition": {"compare": {"ctx.payload.hits.totals": {"gte": 1}}}}
    with pytest.raises(DataError, match=r"ctx\.payload\.hits\.totals"):
        fires(edited, answer(1))


def test_a_rule_has_the_condition_of_the_watch() -> None:
    """The query, the window, the number and the groups are those of the watch."""
    params = rule(SLOW)["params"]

    assert json.loads(params["esQuery"])["query"] == kql.query(alert_on_firings(SLOW).where)
    assert (params["timeWindowSize"], params["timeWindowUnit"]) == (400, "d")
    assert (params["thresholdComparator"], params["threshold"]) == (">=", [1])
    assert (params["groupBy"], params["termField"]) == ("top", "model_name")
    assert rule(SLOW)["alert_delay"] == {"active": 1}
