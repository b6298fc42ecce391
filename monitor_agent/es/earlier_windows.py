"""Windows that an earlier release has counted, and whose events still exist: a backfill computes what it did not."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import Interval

LATEST_FIELD = "settings_revision"
"""A field that each metrics document of this release has, and none of an earlier release."""


def earlier_windows(gateway: Gateway, sizes: Sequence[str]) -> Interval | None:
    """Return the range of the base windows that an earlier release has counted; None if there is none.

    Windows whose predictions have been deleted are not in the range: they can never be counted again.

    Parameters
    ----------
    sizes : the sizes of the base windows.

    Raises
    ------
    ElasticsearchError
        If there is no answer, or the user lacks a privilege.
    """
    names = gateway.call(
        "list the indices of predictions",
        lambda client: client.indices.get(index=PREDICTIONS.pattern, ignore_unavailable=True, features="aliases").body,
    )
    days = []
    for name in names:
        with contextlib.suppress(ValueError):
            days.append(PREDICTIONS.day_of(name))
    if not days:
        return None
    filters = [{"terms": {"window_size": list(sizes)}}, instants.range_filter("@timestamp", gte=min(days))]
    body = {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": filters, "must_not": [{"exists": {"field": LATEST_FIELD}}]}},
        "aggs": {"first": {"min": {"field": "window_start"}}, "last": {"max": {"field": "window_end"}}},
    }
    aggregations = gateway.search(PERFORMANCE.alias, body).get("aggregations", {})
    first, last = (aggregations.get(name, {}).get("value") for name in ("first", "last"))
    return None if first is None or last is None else Interval(instants.parse(first), instants.parse(last))
