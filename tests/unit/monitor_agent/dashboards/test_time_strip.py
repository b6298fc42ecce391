"""The strip of disturbed times over charts: literal responses of Elasticsearch."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from monitor_agent.dashboards.time_strip import (
    ALERT,
    IMMATURE,
    LOST,
    OUTAGE,
    AlertSpan,
    Span,
    StripSearches,
    TimeStrip,
    read_strip,
)
from monitor_agent.errors import ElasticsearchError
from monitor_agent.kibana.times import TimeRange

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
HOUR = 3_600_000
AT = int(START.timestamp() * 1000)
RANGE = StripSearches(TimeRange(START, START + timedelta(hours=6)), timedelta(hours=1))


def strip(
    counts: list[int], lost: dict[int, int] | None = None, immature: list[int] | None = None, *releases: dict[str, Any]
) -> TimeStrip:
    """Return the strip of hours with these numbers of events; `lost` is hour -> lines, `immature` are hours."""
    events = [{"key": AT + hour * HOUR, "doc_count": count} for hour, count in enumerate(counts)]
    lines = [{"key": AT + hour * HOUR, "most": {"value": float(count)}} for hour, count in (lost or {}).items()]
    ends = [{"start": {"value": AT + hour * HOUR}, "end": {"value": AT + (hour + 1) * HOUR}} for hour in immature or ()]
    windows = {"lost": {"bars": {"buckets": lines}}, "immature": {"bars": {"buckets": ends}}}
    hits = [{"_source": release, "sort": [AT + number]} for number, release in enumerate(releases)]
    responses = [{"aggregations": {"events": {"buckets": events}}}, {"aggregations": windows}, {"hits": {"hits": hits}}]
    return read_strip(RANGE, [*responses, {}])


def test_hours_without_events_are_an_outage_if_events_were_to_be_expected() -> None:
    """Before the first event there was nothing to lose, and a small model has hours without events every day."""
    assert strip([0, 50, 0, 0, 50, 50]).spans == (Span(OUTAGE, AT + 2 * HOUR, AT + 4 * HOUR, OUTAGE),)
    assert strip([50, 50, 50, 50, 0, 0]).spans == (Span(OUTAGE, AT + 4 * HOUR, AT + 6 * HOUR, OUTAGE),)
    assert strip([2, 0, 2, 0, 2, 2]).spans == ()
    assert strip([0] * 6).spans == ()


def test_neighbours_are_one_span() -> None:
    """Lost lines are told once for the hours that may miss the same lines, and immature windows are one time."""
    spans = strip([5] * 6, {1: 26, 2: 26}, [4, 5]).spans

    assert spans == (
        Span(LOST, AT + HOUR, AT + 3 * HOUR, "up to 26 lines lost"),
        Span(IMMATURE, AT + 4 * HOUR, AT + 6 * HOUR, IMMATURE),
    )


def test_a_release_has_its_model_and_version() -> None:
    """Version 2 of one model is not version 2 of another."""
    releases = strip([5] * 6, {}, [], {"model_name": "churn", "model_version": "2"}).releases

    assert [release.text for release in releases] == ["churn/2"]


def test_an_alert_is_a_span_while_it_is_active() -> None:
    """It says which alert on which version; one that goes on ends with the range."""
    rule = {"rule": {"description": "A version is worse"}, "active_since": (START + timedelta(hours=1)).isoformat()}
    ended = {**rule, "event": {"end": (START + timedelta(hours=2)).isoformat()}}
    hits = [
        {"_source": {**rule, "model_name": "search", "model_version": "2", "measure": "rate_fall"}},
        {"_source": ended},
    ]

    assert read_strip(RANGE, [{}, {}, {}, {"hits": {"hits": hits}}]).spans == (
        AlertSpan(
            *(ALERT, AT + HOUR, AT + 6 * HOUR, "alert: A version is worse (search/2)"),
            measure="rate_fall",
            model="search",
            version="2",
        ),
        AlertSpan(ALERT, AT + HOUR, AT + 2 * HOUR, "alert: A version is worse"),
    )


def test_what_could_not_be_read_is_left_out() -> None:
    """The panels say what could not be read."""
    assert read_strip(RANGE, [ElasticsearchError("gone")] * 4) == TimeStrip()
