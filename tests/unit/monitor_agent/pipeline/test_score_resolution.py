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

    refined = refined_bins(Histogram.of({**spread, 1200: 5000}), START)

    assert refined is not None
    assert refined.bins == (1200,)
    assert RefinedBins.from_content(refined.content()) == refined


def test_neighbours_are_counted_together_and_decades_apart() -> None:
    """Each run of bins within a decade is one aggregation, from its first edge to its last."""
    last, first, later = score_bins([0.00999, 0.01, 0.0102]).tolist()

    decades = RefinedBins((first, last, later), START).decades(WINDOW)

    assert [(round(decade.low, 5), round(decade.high, 5)) for decade in decades] == [
        (0.00999, 0.01),
        (0.01, 0.0101),
        (0.0102, 0.0103),
    ]
    assert [decade.number for decade in decades] == [1, 2, 2]
    assert EDGES[last] == 0.00999


def test_earlier_windows_are_counted_without_refined_bins() -> None:
    """The result does not depend on when a window is counted."""
    refined = RefinedBins((1200,), START + timedelta(minutes=1))

    assert refined.decades(WINDOW) == []
    assert len(refined.decades(Window(START + timedelta(minutes=1), START + timedelta(minutes=2), "1m"))) == 1
