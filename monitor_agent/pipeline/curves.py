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
from monitor_agent.pipeline.kind_curves import class_points, confusion_points, error_points
from monitor_agent.settings import AgentSettings

SCORE_EDGES = (
    0.0,
    *(step / scale for scale in (10_000, 1000, 100) for step in (1, 2, 3, 4, 5, 7)),
    *(step / 10 for step in range(1, 11)),
)
"""Edges of the score distribution. They are the same for all models and versions, so that their curves can be compared,
and close together for the low scores of click models."""

_HEAD = (
    "@timestamp", "window_start", "window_end", "window_size", "model_name", "model_version", "segment", "labels",
)  # fmt: skip

CurvePoint = dict[str, Any]


def has_curves(key: MetricsKey, document: Mapping[str, Any], settings: AgentSettings) -> bool:
    """Return whether a metrics document has curves: its window has ended, and it is over all segments."""
    sizes = {format_duration(size) for size in settings.curve_windows}
    return key.window.size in sizes and key.segment == ALL_SEGMENT and document["state"] != STATE_OPEN


def points(key: MetricsKey, document: Document, more: Iterable[CurvePoint] = ()) -> dict[str, CurvePoint]:
    """Return `_id` -> document of every point of a metrics document's curves.

    Parameters
    ----------
    document : the metrics document, with the state that the points are computed from.
    more : points that are not computed from the state, such as those of features.
    """
    state = WindowState.from_blob(document["state_blob"])
    metrics_id = key.id
    head = {**{name: document[name] for name in _HEAD}, "metrics_id": metrics_id}
    points_by_id: dict[str, CurvePoint] = {}
    of_kinds = (confusion_points(state), class_points(state), error_points(state))
    for curve in (_reliability(state), _thresholds(state), _scores(state), _positions(state), *of_kinds, more):
        for point in curve:
            identifier = hashed_id(metrics_id, point["curve"], point.get("feature", ""), str(point["bin"]))
            points_by_id[identifier] = {**head, **point}
    return points_by_id


def _reliability(state: WindowState) -> Iterator[CurvePoint]:
    for number, reliability_bin in enumerate(reliability_of(state)):
        yield {
            "curve": RELIABILITY,
            "bin": number,
            "bin_label": between(reliability_bin.low, reliability_bin.high),
            "x": reliability_bin.mean_score,
            "low": reliability_bin.low,
            "high": reliability_bin.high,
            "n": reliability_bin.n,
            "positives": reliability_bin.positives,
            "negatives": reliability_bin.n - reliability_bin.positives,
            **_rate(reliability_bin.rate, reliability_bin.interval),
        }


def _thresholds(state: WindowState) -> Iterator[CurvePoint]:
    if not state.scores_pos and not state.scores_neg:
        return
    for number, step in enumerate(threshold_sweep(state.scores_pos, state.scores_neg)):
        yield {
            "curve": THRESHOLD,
            "bin": number,
            "bin_label": f"{step.threshold:g}",
            "x": step.threshold,
            "n": step.tp + step.fp + step.tn + step.fn,
            "positives": step.tp + step.fn,
            "negatives": step.fp + step.tn,
            "tp": step.tp,
            "fp": step.fp,
            "tn": step.tn,
            "fn": step.fn,
            **{name: _value(getattr(step, name)) for name in ("precision", "recall", "f1")},
        }
        if not step.tp + step.fp:
            return  # no score is higher


def _scores(state: WindowState) -> Iterator[CurvePoint]:
    scores, pos, neg = (dense(counts) for counts in (state.scores, state.scores_pos, state.scores_neg))
    totals = [float(counts.sum()) for counts in (scores, pos, neg)]
    edges = [*score_bins(SCORE_EDGES[:-1]).tolist(), len(scores)]
    if not totals[0]:
        return
    below = [np.concatenate(([0], np.cumsum(counts)))[edges] for counts in (scores, pos, neg)]
    in_bins = np.diff(below).T.tolist()
    for number, ((n, positives, negatives), (low, high)) in enumerate(zip(in_bins, pairwise(SCORE_EDGES), strict=True)):
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


def _positions(state: WindowState) -> Iterator[CurvePoint]:
    impressions = sum(state.impressions_by_position.values())
    for position_rate in position_click_through_rate(state.impressions_by_position, state.clicks_by_position):
        yield {
            "curve": POSITION,
            "bin": position_rate.position,
            "bin_label": str(position_rate.position),
            "x": float(position_rate.position),
            "n": position_rate.impressions,
            "positives": position_rate.clicks,
            "negatives": position_rate.impressions - position_rate.clicks,
            "share": position_rate.impressions / impressions,
            **_rate(position_rate.rate, position_rate.interval),
        }


def between(low: float, high: float) -> str:
    """Return a bin's ends as text.

    >>> between(0.001, 0.002)
    '0.001 to 0.002'
    """
    return f"{low:g} to {high:g}"


def _rate(rate: float, interval: ConfidenceInterval) -> CurvePoint:
    return {"rate": rate, "rate_low": interval.low, "rate_high": interval.high}


def _value(value: float | Undefined) -> float | None:
    return None if isinstance(value, Undefined) else value
