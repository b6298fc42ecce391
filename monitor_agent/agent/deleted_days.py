"""Windows that other settings cannot compute any more: retention has deleted events of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.performance_store import PerformanceStore
from monitor_agent.pipeline.instants import DAY, Interval
from monitor_agent.pipeline.stale_windows import day_of


def days_of(interval: Interval) -> Iterator[Interval]:
    """Yield the days (UTC) that an interval has time of."""
    start = day_of(interval.start)
    while start < interval.end:
        yield Interval(start, start + DAY)
        start += DAY


def lacks_events(performance: PerformanceStore, model: str, interval: Interval, indices: Collection[str]) -> bool:
    """Return whether windows of a model count events in an interval that do not exist any more.

    A day without an index on which no window counts a prediction is a day without traffic: it lacks nothing.

    Parameters
    ----------
    indices : the indices of events that exist.
    """
    missing = (day for day in days_of(interval) if PREDICTIONS.index_for(day.start) not in indices)
    return any(performance.has_counted(model, day) for day in missing)
