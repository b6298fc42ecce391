"""Which part of the predictions a fall comes from: ranked, with few invented causes (pure)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from monitor_agent.metrics.drift import chi_square_p_value, jensen_shannon_distance
from monitor_agent.metrics.lift import Lift, lift
from monitor_agent.metrics.wilson import Z_95
from monitor_agent.root_causes.contrast import Floats, beyond_daily_noise, contrasts
from monitor_agent.root_causes.decomposition import Effect, effects
from monitor_agent.root_causes.value_sums import HOUR, Change, Measure, ValueSums

FALSE_DISCOVERY_RATE = 0.01
MOST_CAUSES = 3
LEAST_MIX = 0.5
"""The part of the change that a shift of the mix must explain to be called its cause."""

FEATURES = "features."
FEATURE_DISTANCE, FEATURE_CHANCE = 0.1, 1e-6
"""The values of a feature have changed at this Jensen-Shannon distance, as for drift, if chance makes it less often."""

DropVerdict = Literal["no_drop", "feature", "segment", "mix_shift", "everywhere", "no_predictions"]
Changes = Mapping[str, Mapping[str, Change]]
"""Dimension -> value -> its change. Each prediction has one value of a dimension."""


@dataclass(frozen=True)
class ComparedValue:
    """A value of a dimension, compared with the rest of the predictions.

    Attributes
    ----------
    dimension : the field; of a pair of fields, both with ` x ` between them.
    value : its value.
    change : its counts.
    effect : what it adds to the change of the whole.
    score : standard normal score of its change against that of the rest; below 0 = it got worse than the rest.
    adjusted_p : one-sided p-value, adjusted for all compared values (Benjamini and Hochberg).
    """

    dimension: str
    value: str
    change: Change
    effect: Effect
    score: float
    adjusted_p: float

    @property
    def is_a_cause(self) -> bool:
        """Whether it got worse than the rest by more than chance."""
        return self.score < 0 and self.adjusted_p <= FALSE_DISCOVERY_RATE


@dataclass(frozen=True)
class ChangedFeature:
    """A feature whose values changed: the Jensen-Shannon distance of both sides."""

    dimension: str
    distance: float


@dataclass(frozen=True)
class MixShift:
    """A dimension whose values changed their parts: `share` is the part of the whole change that this explains."""

    dimension: str
    effect: Effect
    share: float


def changed_features(changes: Changes) -> list[ChangedFeature]:
    """Return the features whose values changed more than those of any other dimension, those that changed most first.

    A version that reads a feature wrongly has other values of it, whichever segment is served: then positions and
    segments only show what that does. Values of features that change because other segments are served are no cause.
    """
    distances = {
        dimension: _distance(by_value) for dimension, by_value in changes.items() if not _is_of_time(dimension)
    }
    further = (distance for name, distance in distances.items() if not name.startswith(FEATURES))
    limit = max([FEATURE_DISTANCE, *further])
    moved = [
        ChangedFeature(name, distance)
        for name, distance in distances.items()
        if name.startswith(FEATURES) and distance >= limit
    ]
    return sorted(moved, key=lambda feature: (-feature.distance, feature.dimension))


def _is_of_time(dimension: str) -> bool:
    """Return whether both sides of a dimension differ by nature."""
    return dimension == HOUR or "model.version" in dimension or dimension == "host.name"


def _distance(by_value: Mapping[str, Change]) -> float:
    """Return the Jensen-Shannon distance of the values before and after; 0 if it may be chance."""
    before, after = ([getattr(change, side).trials for change in by_value.values()] for side in ("before", "after"))
    if not sum(before) or not sum(after) or chi_square_p_value(before, after) > FEATURE_CHANCE:
        return 0.0
    return jensen_shannon_distance(before, after)


def findings(changes: Changes, whole: Change, measure: Measure) -> list[ComparedValue]:
    """Return all values of all dimensions, those that got worse most by more than chance first.

    Source: Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995).
    """
    scored: list[tuple[str, str, Effect, float]] = []
    for dimension, by_value in changes.items():
        split = effects(by_value, measure)
        values = [value for value in by_value if value in split]
        scores = contrasts([by_value[value] for value in values], whole, measure)
        with_both_sides = [(value, score) for value, score in zip(values, scores, strict=True) if score]
        scores = beyond_daily_noise(
            np.array([score for _, score in with_both_sides]),
            [by_value[value] for value, _ in with_both_sides],
            measure,
        )
        scored += [
            (dimension, value, split[value], float(score))
            for (value, _), score in zip(with_both_sides, scores, strict=True)
        ]
    adjusted = _adjusted(np.array([score for *_, score in scored]))
    rows = [
        ComparedValue(dimension, value, changes[dimension][value], effect, score, float(p))
        for (dimension, value, effect, score), p in zip(scored, adjusted, strict=True)
    ]
    return sorted(rows, key=lambda row: row.score)


def mix_shift(changes: Changes, rows: Sequence[ComparedValue], measure: Measure, whole: Change) -> MixShift | None:
    """Return the dimension whose shifted mix explains most of a fall, if no value of it got worse than the rest.

    Parameters
    ----------
    rows : the findings.
    """
    shifts: list[MixShift] = []
    improvement = measure.improvement(whole)
    difference = -improvement if measure.lower_is_better else improvement
    for dimension, by_value in changes.items():
        split = effects(by_value, measure).values()
        effect = Effect(sum(entry.rate for entry in split), sum(entry.mix for entry in split))
        has_cause = any(row.is_a_cause for row in rows if row.dimension == dimension)
        if improvement < 0 and not has_cause and effect.mix / difference >= LEAST_MIX:
            shifts.append(MixShift(dimension, effect, effect.mix / difference))
    return max(shifts, key=lambda shift: shift.share, default=None)


@dataclass(frozen=True)
class WholeDifference:
    """The change of a metric, with the ends of its 95 % interval."""

    difference: float
    low: float
    high: float


def whole_difference(whole: Change, measure: Measure) -> WholeDifference | None:
    """Return the change of the share of successes, or of the mean; None if a side has too few predictions."""
    before, after = whole.before, whole.after
    if not before.trials or not after.trials:
        return None
    if not measure.is_share:
        return _difference_of_means(before, after)
    difference = lift(after.successes, after.trials, before.successes, before.trials)
    if not isinstance(difference, Lift):
        return None
    interval = difference.difference_interval
    return WholeDifference(difference.difference, interval.low, interval.high)


def _difference_of_means(before: ValueSums, after: ValueSums) -> WholeDifference | None:
    """Return the difference of two means. Source: B. Welch, Biometrika 34 (1947), for many values."""
    if min(before.trials, after.trials) < 2:
        return None
    means, variances = [], []
    for sums in (before, after):
        mean = sums.total / sums.trials
        means.append(mean)
        variances.append(max(0.0, sums.squares / sums.trials - mean * mean) / (sums.trials - 1))
    difference, half = means[1] - means[0], Z_95 * math.sqrt(sum(variances))
    return WholeDifference(difference, difference - half, difference + half)


def of_disjoint_causes(causes: Sequence[ComparedValue], whole: Change, measure: Measure) -> list[ComparedValue]:
    """Return causes without common predictions with what each adds to the change of the whole.

    Together with the rest of the predictions, they add up to this change.
    """
    rest = whole
    for cause in causes:
        rest -= cause.change
    changes = {**{str(number): cause.change for number, cause in enumerate(causes)}, "rest": rest}
    split = effects(changes, measure)
    return [replace(cause, effect=split.get(str(number), cause.effect)) for number, cause in enumerate(causes)]


def verdict(
    whole: Change,
    measure: Measure,
    rows: Sequence[ComparedValue],
    shift: MixShift | None,
    changed: Sequence[ChangedFeature] = (),
) -> DropVerdict:
    """Return what the fall comes from; of a metric that is better if it is lower, what its rise comes from."""
    difference = whole_difference(whole, measure)
    if difference is None:
        return "no_predictions"
    if (difference.low <= 0) if measure.lower_is_better else (difference.high >= 0):
        return "no_drop"
    if changed:
        return "feature"
    if shift is not None:
        return "mix_shift"
    return "segment" if any(row.is_a_cause for row in rows) else "everywhere"


def _adjusted(scores: Floats) -> Floats:
    """Return the p-values of falls, adjusted by Benjamini and Hochberg, shape (n_scores,)."""
    p_values = np.array([math.erfc(-score / math.sqrt(2)) / 2 for score in scores])
    order = np.argsort(p_values)
    scaled = p_values[order] * len(scores) / np.arange(1, len(scores) + 1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted
