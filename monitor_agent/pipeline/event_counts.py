"""How Elasticsearch counts the errors and the orphans of windows, by version (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitor_agent.pipeline.counting import MAX_VERSIONS
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.windows import Window

Query = dict[str, Any]

EventCounts = dict[tuple[str, str], int]
"""(version, segment) -> number of events."""


def body(filters: Sequence[Query], windows: Sequence[Window], time_filter: Callable[[Interval], Query]) -> Query:
    """Return the search that counts the events of windows by version.

    Parameters
    ----------
    filters : the filters of the events.
    windows : windows in order of time.
    time_filter : returns the filter for the events of an interval.
    """
    versions = {"versions": {"terms": {"field": "model.version", "size": MAX_VERSIONS}}}
    by_window = {str(number): time_filter(window) for number, window in enumerate(windows)}
    whole = time_filter(Interval(windows[0].start, windows[-1].end))
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [*filters, whole]}},
        "aggs": {"windows": {"filters": {"filters": by_window}, "aggs": versions}},
    }


def counts(response: Mapping[str, Any], windows: Sequence[Window], segment: str) -> dict[Window, EventCounts]:
    """Return the counts in a response to `body`, as those of a segment; windows without events are left out."""
    if not response.get("aggregations"):
        return {}
    buckets = response["aggregations"]["windows"]["buckets"]
    by_window = {
        window: {
            (version["key"], segment): version["doc_count"] for version in buckets[str(number)]["versions"]["buckets"]
        }
        for number, window in enumerate(windows)
    }
    return {window: event_counts for window, event_counts in by_window.items() if event_counts}
