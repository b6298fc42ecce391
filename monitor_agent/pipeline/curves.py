"""The points of a window's curves: reliability, threshold sweep, score distribution, clicks by position (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from monitor_agent.contracts.curve import POSITION, RELIABILITY, SCORE, THRESHOLD
from monitor_agent.contracts.performance import ALL_SEGMENT, STATE_OPEN
from monitor_agent.durations import format_duration
from monitor_agent.metrics import ConfidenceInterval, Undefined, WindowState
from monitor_agent.metrics.calibration_error import reliability_of
from monitor_agent.metrics.position_click_through_rate import position_click_through_rate
from monitor_agent.metrics.score_histogram import dense, score_bins
from monitor_agent.metrics.threshold_sweep import threshold_sweep
from monitor_agent.pipeline.documents import Document, MetricsKey, hashed_id
from monitor_agent.settings import AgentSettings

SCORE_EDGES = (
    0.0,
    *(step / scale for scale in (10_000, 1000, 100) for step in (1, 2, 3, 4, 5, 7)),
    *(step / 10 for step in range(1, 11)),
)
"""Edges of the score distribution: the same for all models and versions, so that their curves compare. They are close
together where click models score."""

_HEAD = (
    "@timestamp", "window_start", "window_end", "window_size", "model_name", "model_version", "segment", "labels",
)  # fmt: skip

Point = dict[str, Any]


def has_curves(key: MetricsKey, document: Mapping[str, Any], settings: AgentSettings) -> bool:
    """Return whether curves are written beside a metrics document: of windows that have ended, over all segments."""
    sizes = {format_duration(size) for size in settings.curve_windows}
    return key.window.size in sizes and key.segment == ALL_SEGMENT and document["state"] != STATE_OPEN


def points(key: MetricsKey, document: Document, more: Iterable[Point] = ()) -> dict[str, Point]:
    """Return `_id` -> document of every point of a metrics document's curves.

    Parameters
    ----------
    document : the metrics document, with the state that all points follow from.
    more : points that the state does not hold, such as those of features.
    """
    state = WindowState.from_blob(document["state_blob"])
    head = {**{name: document[name] for name in _HEAD}, "metrics_id": key.id}
    found: dict[str, Point] = {}
    for curve in (_reliability(state), _thresholds(state), _scores(state), _positions(state), more):
        for point in curve:
            identifier = hashed_id(key.id, point["curve"], point.get("feature", ""), str(point["bin"]))
            found[identifier] = {**head, **point}
    return found


def _reliability(state: WindowState) -> Iterator[Point]:
    for number, each in enumerate(reliability_of(state)):
        yield {
            "curve": RELIABILITY,
            "bin": number,
            "bin_label": between(each.low, each.high),
            "x": each.mean_score,
            "low": each.low,
            "high": each.high,
            "n": each.n,
            "positives": each.positives,
            "negatives": each.n - each.positives,
            **_rate(each.rate, each.interval),
        }


def _thresholds(state: WindowState) -> Iterator[Point]:
    if not state.scores_pos and not state.scores_neg:
        return
    for number, each in enumerate(threshold_sweep(state.scores_pos, state.scores_neg)):
        yield {
            "curve": THRESHOLD,
            "bin": number,
            "bin_label": f"{each.threshold:g}",
            "x": each.threshold,
            "n": each.tp + each.fp + each.tn + each.fn,
            "positives": each.tp + each.fn,
            "negatives": each.fp + each.tn,
            "tp": each.tp,
            "fp": each.fp,
            "tn": each.tn,
            "fn": each.fn,
            **{name: _known(getattr(each, name)) for name in ("precision", "recall", "f1")},
        }
        if not each.tp + each.fp:
            return  # nothing scores higher


def _scores(state: WindowState) -> Iterator[Point]:
    every, pos, neg = (dense(counts) for counts in (state.scores, state.scores_pos, state.scores_neg))
    totals = [float(counts.sum()) for counts in (every, pos, neg)]
    edges = [*score_bins(SCORE_EDGES[:-1]).tolist(), len(every)]
    if not totals[0]:
        return
    for number, ((first, after), (low, high)) in enumerate(zip(pairwise(edges), pairwise(SCORE_EDGES), strict=True)):
        n, positives, negatives = (int(np.sum(counts[first:after])) for counts in (every, pos, neg))
        yield {
            "curve": SCORE,
            "bin": number,
            "bin_label": between(low, high),
            "x": (low + high) / 2,
            "low": low,
            "high": high,
            "n": n,
            "positives": positives,
            "negatives": negatives,
            "share": n / totals[0],
            "share_positive": positives / totals[1] if totals[1] else None,
            "share_negative": negatives / totals[2] if totals[2] else None,
        }


def _positions(state: WindowState) -> Iterator[Point]:
    shown = sum(state.impressions_by_position.values())
    for each in position_click_through_rate(state.impressions_by_position, state.clicks_by_position):
        yield {
            "curve": POSITION,
            "bin": each.position,
            "bin_label": str(each.position),
            "x": float(each.position),
            "n": each.impressions,
            "positives": each.clicks,
            "negatives": each.impressions - each.clicks,
            "share": each.impressions / shown,
            **_rate(each.rate, each.interval),
        }


def between(low: float, high: float) -> str:
    """Return a bin's ends in words.

    >>> between(0.001, 0.002)
    '0.001 to 0.002'
    """
    return f"{low:g} to {high:g}"


def _rate(rate: float, interval: ConfidenceInterval) -> Point:
    return {"rate": rate, "rate_low": interval.low, "rate_high": interval.high}


def _known(value: float | Undefined) -> float | None:
    return None if isinstance(value, Undefined) else value
