"""Performance before labels arrive: an estimate from calibrated scores, as in CBPE.

A calibrated score is the probability of a positive, so the scores alone give the expected confusion counts. The
estimates are as right as the scores. If the scores of a model are not probabilities (class weights, focal loss), pass a
`Calibration` that was fitted to labelled windows. The estimates cannot detect a new relation of score and click.

Source: NannyML, "Confidence-based performance estimation (CBPE)", documentation, section "How it works".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics._spec import MetricSpec, MetricValue, Undefined
from monitor_agent.metrics.accuracy import SPEC as ACCURACY
from monitor_agent.metrics.click_through_rate import SPEC as CTR
from monitor_agent.metrics.f1 import SPEC as F1
from monitor_agent.metrics.precision import SPEC as PRECISION
from monitor_agent.metrics.recall import SPEC as RECALL
from monitor_agent.metrics.roc_auc import SPEC as AUC
from monitor_agent.metrics.score_histogram import SCORE_BINS, Counts, bin_means, dense
from monitor_agent.metrics.window_state import WindowState, from_fixed_point

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """The probability of a positive in each of the score bins."""

    probabilities: tuple[float, ...]


def isotonic_calibration(pos: Counts, neg: Counts) -> Calibration | Undefined:
    """Return the rising step function of the score that fits the labels best (isotonic regression).

    A bin without labels gets the value of the nearest labelled bin below it, or else above it.

    Undefined (``one_class``) if a histogram is empty.

    Source: B. Zadrozny, C. Elkan, KDD (2002); pool adjacent violators, as `sklearn.isotonic.IsotonicRegression`.

    >>> fit = isotonic_calibration({300: 1, 700: 1}, {100: 4, 300: 1, 500: 1, 700: 1})
    >>> fit.probabilities[100], round(fit.probabilities[400], 3), fit.probabilities[999]
    (0.0, 0.333, 0.5)
    """
    if not pos or not neg:
        return Undefined("one_class")
    blocks: list[list[float]] = []  # positives, all, first bin
    for index in sorted(pos.keys() | neg.keys()):
        hits = pos.get(index, 0)
        blocks.append([hits, hits + neg.get(index, 0), index])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1][0] += last[0]
            blocks[-1][1] += last[1]
    values = np.empty(SCORE_BINS)
    values[:] = blocks[0][0] / blocks[0][1]
    for positives, count, first in blocks:
        values[int(first) :] = positives / count
    return Calibration(tuple(values.tolist()))


@dataclass(frozen=True)
class Estimate:
    """The expected counts of a window, and its expected AUC."""

    tp: float
    fp: float
    tn: float
    fn: float
    auc: float | Undefined


def estimate(state: WindowState, calibration: Calibration | None = None) -> Estimate | Undefined:
    """Return the expected confusion counts of all predictions of a window, labelled or not.

    The ``predicted_positive`` highest scores count as predicted positive, which is exact if the threshold was the same
    in the whole window.

    Undefined (``no_predictions``) without scores.

    >>> from monitor_agent.metrics import to_fixed_point
    >>> from monitor_agent.metrics.score_histogram import from_scores
    >>> scores = from_scores([0.9] * 10 + [0.1] * 90)
    >>> expected = estimate(WindowState(scores_unknown=scores, score_sum=to_fixed_point(18.0), predicted_positive=10))
    >>> round(expected.tp, 2), round(expected.fn, 2)
    (9.0, 9.0)
    """
    counts = dense(state.scores)
    if not counts.any():
        return Undefined("no_predictions")
    if calibration is None:
        probability = bin_means(counts, from_fixed_point(state.score_sum))
    else:
        probability = np.asarray(calibration.probabilities)
    # The lowest bin with predicted positives may hold both: it is split.
    above = np.cumsum(counts[::-1])[::-1] - counts
    flagged = np.clip(state.predicted_positive - above, 0, counts)
    rest = counts - flagged
    tp, fn = float(flagged @ probability), float(rest @ probability)
    area = _auc(counts * probability, counts * (1 - probability))
    return Estimate(tp, float(flagged.sum()) - tp, float(rest.sum()) - fn, fn, area)


def _auc(positives: Floats, negatives: Floats) -> float | Undefined:
    pairs = 2 * float(positives.sum()) * float(negatives.sum())
    if not pairs:
        return Undefined("one_class")
    return float(np.sum(positives * (2 * np.cumsum(negatives) - negatives))) / pairs


def _ratio(numerator: float, denominator: float) -> float | Undefined:
    return numerator / denominator if denominator > 0 else Undefined("nothing_expected")


_ESTIMATES: tuple[tuple[MetricSpec, Callable[[Estimate], float | Undefined]], ...] = (
    (ACCURACY, lambda e: _ratio(e.tp + e.tn, e.tp + e.fp + e.tn + e.fn)),
    (PRECISION, lambda e: _ratio(e.tp, e.tp + e.fp)),
    (RECALL, lambda e: _ratio(e.tp, e.tp + e.fn)),
    (F1, lambda e: _ratio(2 * e.tp, 2 * e.tp + e.fp + e.fn)),
    (AUC, lambda e: e.auc),
    (CTR, lambda e: _ratio(e.tp + e.fn, e.tp + e.fp + e.tn + e.fn)),
)


class _Estimates:
    """Returns the estimate of a state; it caches the latest, because several metrics need the same estimate."""

    def __init__(self, calibration: Calibration | None) -> None:
        self._calibration = calibration
        self._latest: tuple[WindowState, Estimate | Undefined] | None = None

    def __call__(self, state: WindowState) -> Estimate | Undefined:
        if self._latest is None or self._latest[0] is not state:
            self._latest = (state, estimate(state, self._calibration))
        return self._latest[1]


def _value(state: WindowState, estimates: _Estimates, metric: Callable[[Estimate], float | Undefined]) -> MetricValue:
    expected = estimates(state)
    return expected if isinstance(expected, Undefined) else metric(expected)


def _error(state: WindowState, guess: Callable[[WindowState], MetricValue], realised: MetricSpec) -> MetricValue:
    expected, actual = guess(state), realised.value(state)
    if isinstance(expected, Undefined):
        return expected
    return actual if isinstance(actual, Undefined) else expected - actual


def estimate_specs(calibration: Calibration | None = None) -> tuple[MetricSpec, ...]:
    """Return the metrics ``estimated_<metric>`` and, when labels are there, the error ``estimated_<metric>_error``."""
    estimates = _Estimates(calibration)
    specs = []
    for realised, metric in _ESTIMATES:
        name = f"estimated_{realised.name}"
        value = partial(_value, estimates=estimates, metric=metric)
        specs += [
            MetricSpec(
                name,
                "ratio",
                f"estimate of {realised.name} from the scores alone, as if they were calibrated",
                value,
                bigger_is_better=realised.bigger_is_better,
                label_free=True,
                source="CBPE",
            ),
            MetricSpec(
                f"{name}_error",
                "float",
                f"{name} minus {realised.name}",
                partial(_error, guess=value, realised=realised),
                range=(-1.0, 1.0),
                source="estimate - value",
            ),
        ]
    return tuple(specs)
