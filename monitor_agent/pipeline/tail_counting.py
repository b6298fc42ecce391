"""How Elasticsearch counts the scores near 0 and near 1 of windows with many distinct scores (pure).

A second search counts them. It is only made for windows that need it: those with more distinct scores than are counted
singly, and with some scores in the tails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitor_agent.metrics import WindowState
from monitor_agent.metrics.score_histogram import Counts, Histogram
from monitor_agent.metrics.score_tails import (
    EXACTLY_ONE,
    EXACTLY_ZERO,
    HIGH_DECADES,
    LOW_DECADES,
    NEARLY_ONE,
    NEARLY_ZERO,
    TailDecade,
    from_tail_buckets,
)
from monitor_agent.pipeline import counting, labels
from monitor_agent.pipeline.common_counting import Aggregations
from monitor_agent.pipeline.counting import CountRequest, SegmentState
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import AgentSettings

_ENDS = {
    EXACTLY_ZERO: {"lte": 0.0},
    NEARLY_ZERO: {"gt": 0.0, "lt": LOW_DECADES[0].low},
    NEARLY_ONE: {"gte": HIGH_DECADES[-1].high, "lt": 1.0},
    EXACTLY_ONE: {"gte": 1.0},
}
"""The scores of each cell that is in no decade."""

_DECADES_OF_BINS: tuple[tuple[range, tuple[TailDecade, ...]], ...] = (
    (range(1), LOW_DECADES[:-2]),
    (range(1, 10), LOW_DECADES[-2:-1]),
    (range(10, 100), LOW_DECADES[-1:]),
    (range(3600, 3690), HIGH_DECADES[:1]),
    (range(3690, 3699), HIGH_DECADES[1:2]),
    (range(3699, 3700), HIGH_DECADES[2:]),
)
"""The decades that scores of a bin of `score_histogram` may be in."""


def tail_decades(states: Iterable[WindowState]) -> list[TailDecade]:
    """Return the decades that hold scores of states without single scores; empty if no second search is needed."""
    present: set[int] = set()
    for state in states:
        if not state.is_exact:
            for histogram in (state.scores_pos, state.scores_neg):
                present |= {number for number, (bins, _) in enumerate(_DECADES_OF_BINS) if _holds(histogram, bins)}
    return [decade for number in sorted(present) for decade in _DECADES_OF_BINS[number][1]]


def _holds(histogram: Counts, bins: range) -> bool:
    filled = Histogram.of(histogram).bins
    return bool(((filled >= bins.start) & (filled < bins.stop)).any())


@dataclass(frozen=True)
class TailRequest:
    """The second search of one window.

    Attributes
    ----------
    count : what the first search counted.
    window : the window.
    decades : the decades that hold scores.
    """

    count: CountRequest
    window: Window
    decades: Sequence[TailDecade]

    def body(self, settings: AgentSettings, version: str | None = None) -> dict[str, Any]:
        """Return the search.

        Parameters
        ----------
        version : only this version is counted; None = all versions are.
        """
        label_buckets = {
            "pos": {"filter": labels.positive(), "aggs": self._aggregations()},
            "neg": {"filter": labels.negative(settings), "aggs": self._aggregations()},
        }
        judged = {"judged": {"filter": labels.judged(settings, self.count.now), "aggs": label_buckets}}
        return counting.search(self.count, self.window, judged, version)

    def _aggregations(self) -> Aggregations:
        ends: Aggregations = {f"end_{cell}": {"filter": _scores(bounds)} for cell, bounds in _ENDS.items()}
        for decade in self.decades:
            cells = {"field": "prediction.score", "interval": decade.interval, "min_doc_count": 1}
            inside = _scores({"gte": decade.low, "lt": decade.high})
            ends[f"decade_{decade.first_cell}"] = {"filter": inside, "aggs": {"cells": {"histogram": cells}}}
        return ends

    def with_tails(self, counted: Sequence[SegmentState], response: Mapping[str, Any]) -> list[SegmentState]:
        """Return the states with the cells of the tails that the response holds."""
        buckets = {version["key"]: version["segments"]["buckets"] for version in _versions(response)}
        completed = []
        for version, segment, state in counted:
            bucket = buckets.get(version, {}).get(str(self.count.segments.index(segment)))
            if bucket is not None and not state.is_exact:
                pos, neg = (self._tails(bucket["judged"][label]) for label in ("pos", "neg"))
                state = replace(state, tail_pos=pos, tail_neg=neg)
            completed.append(SegmentState(version, segment, state))
        return completed

    def _tails(self, label_bucket: Mapping[str, Any]) -> Histogram:
        decades = ((decade, label_bucket[f"decade_{decade.first_cell}"]["cells"]["buckets"]) for decade in self.decades)
        return from_tail_buckets(decades, {cell: label_bucket[f"end_{cell}"]["doc_count"] for cell in _ENDS})


def _scores(bounds: Mapping[str, float]) -> dict[str, Any]:
    return {"range": {"prediction.score": bounds}}


def _versions(response: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    versions: Sequence[Mapping[str, Any]] = response.get("aggregations", {}).get("versions", {}).get("buckets", [])
    return versions
