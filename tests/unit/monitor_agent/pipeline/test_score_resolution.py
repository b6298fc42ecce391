"""Refined bins of scores: chosen once, for windows that begin later."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from monitor_agent.metrics.score_histogram import EDGES, Histogram, score_bins
from monitor_agent.pipeline.score_resolution import RefinedBins, refined_bins
from monitor_agent.pipeline.windows import Window

START = datetime(2026, 3, 2, 10, tzinfo=timezone.utc)
WINDOW = Window(START, START + timedelta(minutes=1), "1m")


def test_only_bins_with_many_scores_are_refined_bins() -> None:
    """A fiftieth of all scores or more; scores that are spread need no refined bin."""
    spread = Histogram.of(dict.fromkeys(range(1000, 1900), 10))
    assert refined_bins(spread, START) == RefinedBins((), START)

    found = refined_bins(Histogram.of({**spread, 1200: 5000}), START)

    assert found is not None
    assert found.bins == (1200,)
    assert RefinedBins.restored(found.content()) == found


def test_neighbours_are_counted_together_and_decades_apart() -> None:
    """Each run of bins within a decade is one aggregation, from its first edge to its last."""
    last, first, later = score_bins([0.00999, 0.01, 0.0102]).tolist()

    parts = RefinedBins((first, last, later), START).decades(WINDOW)

    assert [(round(each.low, 5), round(each.high, 5)) for each in parts] == [
        (0.00999, 0.01),
        (0.01, 0.0101),
        (0.0102, 0.0103),
    ]
    assert [each.number for each in parts] == [1, 2, 2]
    assert EDGES[last] == 0.00999


def test_windows_before_the_decision_are_counted_without() -> None:
    """So a window is counted the same way whenever it is counted."""
    known = RefinedBins((1200,), START + timedelta(minutes=1))

    assert known.decades(WINDOW) == []
    assert len(known.decades(Window(START + timedelta(minutes=1), START + timedelta(minutes=2), "1m"))) == 1
