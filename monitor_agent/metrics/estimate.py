"""Performance before labels arrive: an estimate from calibrated scores, as in CBPE.

A calibrated score is the probability of a positive. So the scores and the logged predicted labels give the expected
confusion counts of the predictions that were shown; predictions that were scored in shadow are not among them. The
estimates are as right as the scores. If the scores of a model are not probabilities (class weights, focal loss), pass a
`Calibration` that was fitted to labelled windows. The estimates cannot detect a new relation of score and click.

The interval of an estimate holds the value that the labels will give, with 95 % confidence, if the probabilities are
right. It contains the chance of the labels alone: not the error of the calibration, and no change of the relation of
score and click.

Source: NannyML, "Confidence-based performance estimation (CBPE)", documentation, section "How it works".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, MetricValue, Undefined
from monitor_agent.metrics.accuracy import SPEC as ACCURACY
from monitor_agent.metrics.auc_interval import interval_of_areas
from monitor_agent.metrics.calibration import Calibration
from monitor_agent.metrics.click_through_rate import SPEC as CTR
from monitor_agent.metrics.f1 import SPEC as F1
from monitor_agent.metrics.precision import SPEC as PRECISION
from monitor_agent.metrics.recall import SPEC as RECALL
from monitor_agent.metrics.roc_auc import SPEC as AUC
from monitor_agent.metrics.score_histogram import add, bin_means, dense
from monitor_agent.metrics.wilson import Z_95
from monitor_agent.metrics.window_state import WindowState, from_fixed_point

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PositiveCount:
    """The number of positives among independent predictions with known probabilities (Poisson binomial).

    Attributes
    ----------
    trials : number of predictions.
    mean, variance, third_moment : of the number of positives; the third moment is central.
    """

    trials: float
    mean: float
    variance: float
    third_moment: float

    @classmethod
    def of(cls, counts: Floats, probability: Floats, mean: float | None = None) -> PositiveCount:
        """Return the number of positives in bins.

        Parameters
        ----------
        counts, probability : predictions of each bin, and the probability of a positive in it.
        mean : the sum of the probabilities, if it is known more exactly.
        """
        spread = counts * probability * (1 - probability)
        expected = float(counts @ probability) if mean is None else mean
        trials = float(counts.sum())
        third = float(spread @ (1 - 2 * probability))
        return cls(trials, min(max(expected, 0.0), trials), max(0.0, float(spread.sum())), third)

    @property
    def negatives(self) -> PositiveCount:
        """The number of negatives."""
        return PositiveCount(self.trials, self.trials - self.mean, self.variance, -self.third_moment)

    def __add__(self, other: PositiveCount) -> PositiveCount:
        return PositiveCount(
            self.trials + other.trials,
            self.mean + other.mean,
            self.variance + other.variance,
            self.third_moment + other.third_moment,
        )

    def interval(self, z: float = Z_95) -> ConfidenceInterval:
        """Return the range that holds the number with 95 % probability (for the default ``z``).

        Source: the normal approximation with skewness and continuity correction of A. Volkova, Theory of Probability
        and its Applications 40 (1996), inverted by the expansion of Cornish and Fisher. Y. Hong, Computational
        Statistics and Data Analysis 59 (2013), compares it with the exact distribution.

        >>> count = PositiveCount.of(np.array([100.0]), np.array([0.1]))
        >>> interval = count.interval()
        >>> round(interval.low, 1), round(interval.high, 1)
        (4.0, 16.8)
        """
        if self.variance <= 1e-12 * max(1.0, self.trials):
            return ConfidenceInterval(self.mean, self.mean)
        deviation = math.sqrt(self.variance)
        shift = self.third_moment / self.variance * (z * z - 1) / 6
        low, high = (self.mean + shift + sign * (z * deviation + 0.5) for sign in (-1, 1))
        return ConfidenceInterval(max(0.0, min(low, self.mean)), min(self.trials, max(high, self.mean)))


@dataclass(frozen=True)
class Estimate:
    """What the scores of the shown predictions of a window expect.

    Attributes
    ----------
    predicted_positive : positives among the predictions with the predicted label 1: the true positives.
    predicted_negative : positives among all other predictions: the false negatives.
    positives, negatives : expected positives and negatives of each score bin.
    """

    predicted_positive: PositiveCount
    predicted_negative: PositiveCount
    positives: Floats
    negatives: Floats


def estimate(state: WindowState, calibration: Calibration | None = None) -> Estimate | Undefined:
    """Return what the scores of the predictions that were shown expect, labelled or not.

    Undefined: ``no_impressions`` if no prediction was shown; ``earlier_release`` if an earlier release, which did not
    count what the estimate needs, has counted some of the predictions.

    >>> from monitor_agent.metrics import to_fixed_point
    >>> from monitor_agent.metrics.score_histogram import from_scores
    >>> counts = {"scores_shown_unknown": from_scores([0.9] * 10 + [0.1] * 90), "impressions": 100, "estimable": 100}
    >>> sums = {"score_sum_shown_unknown": to_fixed_point(18.0), "score_sum_predicted_positive": to_fixed_point(9.0)}
    >>> expected = estimate(WindowState(**counts, **sums, scores_predicted_positive=from_scores([0.9] * 10)))
    >>> round(expected.predicted_positive.mean, 2), round(expected.predicted_negative.mean, 2)
    (9.0, 9.0)
    """
    if not state.impressions:
        return Undefined("no_impressions")
    if state.estimable != state.impressions:
        return Undefined("earlier_release")
    impressions = dense(add((state.scores_shown_unknown, state.scores_pos, state.scores_neg)))
    score_sum = from_fixed_point(state.score_sum_shown_unknown + state.score_sum_pos + state.score_sum_neg)
    predicted_positive = np.minimum(dense(state.scores_predicted_positive), impressions)
    rest = impressions - predicted_positive
    if calibration is not None:
        probability = np.asarray(calibration.probabilities)
        counts = (PositiveCount.of(predicted_positive, probability), PositiveCount.of(rest, probability))
    else:
        probability = bin_means(impressions, score_sum)
        predicted_sum = from_fixed_point(state.score_sum_predicted_positive)
        counts = (
            PositiveCount.of(predicted_positive, probability, predicted_sum),
            PositiveCount.of(rest, probability, score_sum - predicted_sum),
        )
    return Estimate(*counts, impressions * probability, impressions * (1 - probability))


def _area(positives: Floats, negatives: Floats) -> float | Undefined:
    """Return the expected ordered pairs / the expected pairs; no prediction makes a pair with itself."""
    with_itself = float(_spread(positives, negatives).sum())
    pairs = float(positives.sum()) * float(negatives.sum()) - with_itself
    if pairs <= 1e-12:
        return Undefined("one_class")
    ordered = float(np.sum(positives * (np.cumsum(negatives) - negatives / 2))) - with_itself / 2
    return min(1.0, max(0.0, ordered / pairs))


def _spread(positives: Floats, negatives: Floats) -> Floats:
    """Return the variance of the number of positives in each bin."""
    counts = positives + negatives
    return np.divide(positives * negatives, counts, out=np.zeros_like(counts), where=counts > 0)


def _share(count: PositiveCount) -> tuple[float, ConfidenceInterval] | Undefined:
    if not count.trials:
        return Undefined("nothing_expected")
    ends = count.interval()
    interval = ConfidenceInterval(ends.low / count.trials, ends.high / count.trials)
    return count.mean / count.trials, interval


def _of_both(estimated: Estimate, metric: Callable[[float, float], float]) -> tuple[float, ConfidenceInterval]:
    """Return a metric that rises with the true positives and falls with the false negatives, and its interval.

    Source: G. Zou, A. Donner (MOVER), Statistics in Medicine 27 (2008).
    """
    tp, fn = estimated.predicted_positive, estimated.predicted_negative
    of_tp, of_fn = tp.interval(), fn.interval()
    value = metric(tp.mean, fn.mean)
    below = math.hypot(value - metric(of_tp.low, fn.mean), value - metric(tp.mean, of_fn.high))
    above = math.hypot(metric(of_tp.high, fn.mean) - value, metric(tp.mean, of_fn.low) - value)
    return value, ConfidenceInterval(max(0.0, value - below), min(1.0, value + above))


def _accuracy(estimated: Estimate) -> tuple[float, ConfidenceInterval] | Undefined:
    return _share(estimated.predicted_positive + estimated.predicted_negative.negatives)


def _precision(estimated: Estimate) -> tuple[float, ConfidenceInterval] | Undefined:
    return _share(estimated.predicted_positive)


def _recall(estimated: Estimate) -> tuple[float, ConfidenceInterval] | Undefined:
    if estimated.predicted_positive.mean + estimated.predicted_negative.mean <= 0:
        return Undefined("nothing_expected")
    return _of_both(estimated, lambda tp, fn: tp / (tp + fn) if tp else 0.0)


def _f1(estimated: Estimate) -> tuple[float, ConfidenceInterval] | Undefined:
    predicted_positive = estimated.predicted_positive.trials
    if predicted_positive + estimated.predicted_positive.mean + estimated.predicted_negative.mean <= 0:
        return Undefined("nothing_expected")
    return _of_both(estimated, lambda tp, fn: 2 * tp / (predicted_positive + tp + fn) if tp else 0.0)


def _auc(estimated: Estimate) -> tuple[float, ConfidenceInterval] | Undefined:
    area = _area(estimated.positives, estimated.negatives)
    if isinstance(area, Undefined):
        return area
    return area, _auc_interval(area, estimated.positives, estimated.negatives)


def _auc_interval(area: float, positives: Floats, negatives: Floats) -> ConfidenceInterval:
    """Return the interval of the AUC from the chance of each label, by the delta method.

    It reaches at least from the lower to the upper end of `auc_interval`, which is right for few positives.
    """
    m, n = float(positives.sum()), float(negatives.sum())
    below, above = np.cumsum(negatives) - negatives / 2, m - np.cumsum(positives) + positives / 2
    effects = (below - above) / (m * n) - area * (1 / m - 1 / n)
    variance = float(_spread(positives, negatives) @ effects**2)
    ends = interval_of_areas(area, m, n, variance)
    reach = Z_95 * math.sqrt(variance)
    return ConfidenceInterval(max(0.0, min(ends.low, area - reach)), min(1.0, max(ends.high, area + reach)))


def _ctr(estimated: Estimate) -> tuple[float, ConfidenceInterval] | Undefined:
    return _share(estimated.predicted_positive + estimated.predicted_negative)


Estimator = Callable[[Estimate], "tuple[float, ConfidenceInterval] | Undefined"]

_ESTIMATES: tuple[tuple[MetricSpec, Estimator], ...] = (
    (ACCURACY, _accuracy),
    (PRECISION, _precision),
    (RECALL, _recall),
    (F1, _f1),
    (AUC, _auc),
    (CTR, _ctr),
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


def _value(state: WindowState, estimates: _Estimates, estimator: Estimator) -> MetricValue:
    expected = estimates(state)
    estimated = expected if isinstance(expected, Undefined) else estimator(expected)
    return estimated if isinstance(estimated, Undefined) else estimated[0]


def _interval(state: WindowState, estimates: _Estimates, estimator: Estimator) -> ConfidenceInterval | Undefined:
    expected = estimates(state)
    estimated = expected if isinstance(expected, Undefined) else estimator(expected)
    return estimated if isinstance(estimated, Undefined) else estimated[1]


def _error(state: WindowState, value: Callable[[WindowState], MetricValue], measured: MetricSpec) -> MetricValue:
    if state.mature < state.impressions:
        return Undefined("immature")
    expected, actual = value(state), measured.value(state)
    if isinstance(expected, Undefined):
        return expected
    return actual if isinstance(actual, Undefined) else expected - actual


def _auc_with_shadow(state: WindowState, calibration: Calibration | None) -> MetricValue:
    counts = dense(state.scores)
    if not counts.any():
        return Undefined("no_predictions")
    if calibration is None:
        probability = bin_means(counts, from_fixed_point(state.score_sum))
    else:
        probability = np.asarray(calibration.probabilities)
    return _area(counts * probability, counts * (1 - probability))


def estimate_specs(calibration: Calibration | None = None) -> tuple[MetricSpec, ...]:
    """Return the metrics ``estimated_<metric>`` and, when labels are there, the error ``estimated_<metric>_error``."""
    estimates = _Estimates(calibration)
    specs = []
    for measured, estimator in _ESTIMATES:
        name = f"estimated_{measured.name}"
        value = partial(_value, estimates=estimates, estimator=estimator)
        specs += [
            MetricSpec(
                name,
                "ratio",
                f"estimate of {measured.name} from the scores of the shown predictions, as if they were calibrated",
                value,
                partial(_interval, estimates=estimates, estimator=estimator),
                bigger_is_better=measured.bigger_is_better,
                label_free=True,
                source="CBPE",
            ),
            MetricSpec(
                f"{name}_error",
                "float",
                f"{name} minus {measured.name}, once no label of a shown prediction can arrive in time any more",
                partial(_error, value=value, measured=measured),
                range=(-1.0, 1.0),
                source="estimate - value",
            ),
        ]
    specs.append(
        MetricSpec(
            "estimated_auc_with_shadow",
            "ratio",
            "estimate of auc over all predictions, also those in shadow: compares versions that nobody saw",
            partial(_auc_with_shadow, calibration=calibration),
            bigger_is_better=True,
            label_free=True,
            source="CBPE",
        )
    )
    return tuple(specs)
