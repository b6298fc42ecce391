"""The searches for the alerts' conditions, and the breaches in their answers."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from monitor_agent.alerting.conditions import alert_on_firings, alert_query, breaches
from monitor_agent.alerting.firings import Breach
from monitor_agent.pipeline import instants
from tests.unit.monitor_agent.alerting.sample_alerts import ALERTS, DUE, QUALITY, SILENT, SLOW, answer


def test_the_query_counts_documents_by_group_and_reads_the_worst_value() -> None:
    """It looks back from the moment of the evaluation."""
    index, body = alert_query(SLOW, DUE)

    assert index == "model-performance-*"
    assert body["query"]["bool"]["filter"][0]["range"]["@timestamp"]["gte"] == f"{DUE}||-10m"
    aggs = {
        "response_time_p95": {"max": {"field": "response_time_p95"}},
        "newest": {
            "terms": {"field": "@timestamp", "size": 3, "order": {"_key": "desc"}},
            "aggs": {"end": {"max": {"field": "window_end"}}},
        },
    }
    assert body["aggs"] == {"groups": {"terms": {"field": "model_name", "size": 50}, "aggs": aggs}}


def test_a_group_with_enough_documents_is_a_breach() -> None:
    """Three documents of one model are; three of three models, or of three versions, are not."""

    def buckets(**counts: int) -> dict[str, Any]:
        return {
            "buckets": [
                {"key": key, "doc_count": count, "response_time_p95": {"value": 300.0 + count}}
                for key, count in counts.items()
            ]
        }

    versions = {"buckets": [{"key": "click", "doc_count": 6, "groups": buckets(v1=3, v2=2)}]}
    breach = Breach("slow", (("model_name", "b"),), "response_time_p95", 303.0, 250.0)
    assert breaches(SLOW, answer(groups=buckets(a=1, b=3))) == [breach]
    assert breaches(SLOW, answer(groups=buckets(a=1, b=1, c=1))) == []
    assert [breach.group for breach in breaches(QUALITY, answer(groups=versions))] == [
        (("model_name", "click"), ("model_version", "v1"))
    ]
    assert breaches(SLOW, {"hits": {"total": {"value": 0}}}) == []


def test_a_breach_has_the_newest_documents_and_the_length_of_their_windows() -> None:
    """The documents of cycles are no windows."""
    start = 1_772_445_600_000
    windows = [{"key": start + 60_000, "end": {"value": start + 120_000.0}}, {"key": start, "end": {"value": start}}]
    group = {"key": "a", "doc_count": 3, "response_time_p95": {"value": 300.0}, "newest": {"buckets": windows}}
    cycles = {"lag_seconds": {"value": 400.0}, "newest": {"buckets": [{"key": start, "end": {"value": None}}]}}

    (breach,) = breaches(SLOW, answer(groups={"buckets": [group]}))
    (lag,) = breaches(ALERTS["pipeline-lag"], answer(2, **cycles))

    assert breach.documents == (instants.parse(start + 60_000), instants.parse(start))
    assert (breach.window, lag.window) == (timedelta(minutes=1), None)
    assert lag.documents == (instants.parse(start),)


def test_a_watch_reads_firings_without_the_documents_behind_them() -> None:
    """The agent has counted the windows; one active firing is enough."""
    _, body = alert_query(alert_on_firings(QUALITY), DUE)

    assert "newest" not in json.dumps(body)


def test_of_several_values_a_breach_shows_the_one_beyond_its_limit() -> None:
    """The lag is fine, the delivery is not."""
    values = {"lag_seconds": {"value": 3.0}, "delivery_seconds": {"value": 400.0}}

    (breach,) = breaches(ALERTS["pipeline-lag"], answer(2, **values))

    assert (breach.measure, breach.value, breach.limit) == ("delivery_seconds", 400.0, 300.0)


def test_people_are_not_notified_of_an_inhibited_firing() -> None:
    """Watches and rules count only firings that are active and not inhibited."""
    assert alert_on_firings(QUALITY).where == "rule.name: bad and state: active and not inhibited_by: *"
    assert alert_on_firings(SLOW).where == "rule.name: slow and state: active"


def test_an_alert_that_the_agent_does_not_evaluate_stays_as_it_is() -> None:
    """The watch and the rule evaluate it themselves."""
    assert alert_on_firings(SILENT) == SILENT
