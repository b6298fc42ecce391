"""Log loss: the mean negative log-likelihood of the labels under the scores.

The events carry the losses of their scores. An event without them counts with the losses of its score's bin.
"""

from __future__ import annotations

import math

import numpy as np

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.kinds import CLASS_LOSS, SCORED
from monitor_agent.metrics.multiclass import class_averages
from monitor_agent.metrics.score_histogram import EDGES, Counts, Floats, dense
from monitor_agent.metrics.window_state import WindowState, from_fixed_point
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS

CLIP = 1e-7
"""Scores are clipped to [1e-7, 1 - 1e-7]: about the resolution of a float32 at 1."""

_CLIPPED = np.clip(EDGES, CLIP, 1 - CLIP)
_AT_EDGES_POS: Floats = -np.log(_CLIPPED)
_AT_EDGES_NEG: Floats = -np.log1p(-_CLIPPED)


def log_loss(loss_sum: float, n: int) -> float | Undefined:
    """Return the mean of the single losses; it is defined for one class too, as with ``labels=[0, 1]``.

    Parameters
    ----------
    loss_sum : sum of -ln(score) over positives and of -ln(1 - score) over negatives, with clipped scores.
    n : number of positives and negatives.

    Undefined (``no_samples``) if ``n`` is 0. Source: `sklearn.metrics.log_loss`, which clips at the float's eps.

    >>> log_loss(-2 * math.log(0.5), 2) == math.log(2)
    True
    """
    return loss_sum / n if n else Undefined("no_samples")


def binned_loss(pos: Counts, neg: Counts) -> tuple[float, float]:
    """Return the sum of the losses of binned scores, and the largest possible error of this sum.

    A score counts with the middle of the smallest and the largest loss in its bin.

    Parameters
    ----------
    pos, neg : score histograms of positives and of negatives.

    >>> loss, error = binned_loss({2950: 1}, {})
    >>> round(loss, 3), round(error, 3), abs(loss + math.log(0.25)) <= 2 * error
    (1.384, 0.002, True)
    """
    loss = error = 0.0
    for histogram, at_edges in ((pos, _AT_EDGES_POS), (neg, _AT_EDGES_NEG)):
        if histogram:
            counts = dense(histogram)
            loss += float(counts @ (at_edges[:-1] + at_edges[1:])) / 2
            error += float(counts @ np.abs(np.diff(at_edges))) / 2
    return loss, error


def _without_loss(state: WindowState) -> tuple[float, float]:
    pos, neg = state.scores_pos_without_loss, state.scores_neg_without_loss
    if not pos and not neg:
        return 0.0, 0.0
    if pos != state.scores_pos or neg != state.scores_neg:
        return binned_loss(pos, neg)
    # No event carries its losses, so that they follow from the cells, which are narrower than bins.
    cells = state.cells
    lows, highs = (np.clip(ends, CLIP, 1 - CLIP) for ends in (cells.lows, cells.highs))
    pairs = ((cells.positives, -np.log(lows), -np.log(highs)), (cells.negatives, -np.log1p(-lows), -np.log1p(-highs)))
    loss = sum(float(counts @ (at_low + at_high)) / 2 for counts, at_low, at_high in pairs)
    return loss, sum(float(counts @ np.abs(at_high - at_low)) / 2 for counts, at_low, at_high in pairs)


def _log_loss(state: WindowState) -> float | Undefined:
    exact = from_fixed_point(state.log_loss_pos + state.log_loss_neg)
    return log_loss(exact + _without_loss(state)[0], state.n)


def _error_bound(state: WindowState) -> float | Undefined:
    return log_loss(_without_loss(state)[1], state.n)


def _log_loss_of_classes(state: WindowState) -> float | Undefined:
    scored = state.counts.get(SCORED, 0)
    return log_loss(from_fixed_point(state.sums.get(CLASS_LOSS, 0)), scored) if scored else Undefined("no_scores")


SPEC = MetricSpec(
    "log_loss",
    "float",
    "mean negative log-likelihood of the labels, scores clipped at 1e-7",
    _log_loss,
    bigger_is_better=False,
    range=(0.0, -math.log(CLIP)),
    source="sklearn.metrics.log_loss",
    of_classes=MetricSpec(
        "log_loss",
        "float",
        "mean of -ln(score of the true class), scores clipped at 1e-7",
        _log_loss_of_classes,
        bigger_is_better=False,
        range=(0.0, -math.log(CLIP) + 1e-9),
        source="sklearn.metrics.log_loss",
        samples=class_averages.labelled_classes,
        of_kind=MULTICLASS,
    ),
)

ERROR_BOUND_SPEC = MetricSpec(
    "log_loss_error_bound",
    "float",
    "largest possible error of log_loss: events without `prediction.log_loss_*` count with scores of three digits",
    _error_bound,
    bigger_is_better=False,
    range=(0.0, None),
    source="half the difference between the losses at both ends of a bin",
)
