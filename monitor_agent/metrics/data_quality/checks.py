"""Whether the values of a feature are worse than those of its reference, and not by chance.

A check compares a share of the predictions with the reference's. It breaks if the lowest share that the window makes
likely is more than `MARGIN` above the highest one that the reference makes likely, both at `LIMIT` standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from monitor_agent.metrics._spec import ConfidenceInterval, Undefined
from monitor_agent.metrics.data_quality.counts import AGE_EDGES, FeatureCounts, UsualValues, age_bin, age_quantile
from monitor_agent.metrics.drift.reference import CategoricalReference, NumericReference, NumericSample
from monitor_agent.metrics.wilson import Z_95, wilson_interval

MISSING, OUT_OF_RANGE, NEW_CATEGORY = "missing", "out_of_range", "new_category"
WRONG_TYPE, CONSTANT, STALE = "wrong_type", "constant", "stale"

FEWEST = 100
"""A window with fewer predictions says nothing about shares."""

MARGIN = 0.02
"""A share may exceed the reference's by this much."""

LIMIT = 4.0
"""Standard errors on both sides of a comparison: many features are compared in many windows."""

LARGEST_CHANCE = 1e-9
"""A feature that varied has stopped to vary if chance makes all values equal less often than this."""

OLDER = 2.0
"""A value is stale if it is this many times as old as 95 % of the reference's values."""
USUALLY_OLDER = 0.05

INSUFFICIENT_DATA, NO_REFERENCE, NOT_LOGGED = "insufficient_data", "no_reference", "not_logged"
TOO_MANY_CATEGORIES, NO_VALUES = "too_many_categories", "no_values"
NEVER_VARIED, RARE_CATEGORIES = "never_varied", "rare_categories"


@dataclass(frozen=True)
class QualityCheck:
    """One check of a feature in a window.

    Attributes
    ----------
    share : share of the predictions that are concerned; None = not measured, `undefined` says why.
    interval : its 95 % interval.
    reference : the share in the reference; None = unknown.
    is_broken : None = not measured, or there is nothing to compare with.
    """

    name: str
    share: float | None = None
    interval: ConfidenceInterval | None = None
    reference: float | None = None
    is_broken: bool | None = None
    undefined: str | None = None

    @property
    def excess(self) -> float | None:
        """How far the share is above that of the reference; None = not measured."""
        return None if self.share is None else max(0.0, self.share - (self.reference or 0.0))


def missing_check(counts: FeatureCounts, usual: UsualValues) -> QualityCheck:
    """Return the check of the predictions without a value."""
    return _share_check(MISSING, counts.missing, counts.predictions, counts, (usual.missing, usual.predictions))


def out_of_range_check(counts: FeatureCounts, reference: NumericReference) -> QualityCheck:
    """Return the check of the values below the reference's smallest or above its largest one."""
    return _share_check(OUT_OF_RANGE, counts.below + counts.above, counts.present, counts, (0, reference.n))


def new_category_check(counts: FeatureCounts, reference: CategoricalReference, usual: UsualValues) -> QualityCheck:
    """Return the check of the values that the reference does not have."""
    if usual.categories is None:
        return QualityCheck(NEW_CATEGORY, undefined=TOO_MANY_CATEGORIES)
    return _share_check(NEW_CATEGORY, counts.new, counts.present, counts, (usual.single, reference.n))


def wrong_type_check(counts: FeatureCounts, usual: UsualValues) -> QualityCheck:
    """Return the check of the lines that were refused for this feature; a reference has none."""
    lines = counts.predictions + counts.wrong_type
    return _share_check(WRONG_TYPE, counts.wrong_type, lines, counts, (0, usual.predictions))


def stale_check(counts: FeatureCounts, usual: UsualValues) -> QualityCheck:
    """Return the check of the values that are more than twice as old as 95 % of the reference's."""
    if not counts.ages:
        return QualityCheck(STALE, undefined=NOT_LOGGED)
    usually = age_quantile(usual.ages, 1 - USUALLY_OLDER)
    if usually is None:
        return QualityCheck(STALE, undefined=NO_REFERENCE)
    first = age_bin(OLDER * usually) + 1 if OLDER * usually < AGE_EDGES[-1] else len(AGE_EDGES)
    trials = sum(usual.ages.values())
    older = max(_from_bin(usual.ages, first), round(USUALLY_OLDER * trials))
    return _share_check(STALE, _from_bin(counts.ages, first), counts.aged, counts, (older, trials))


def constant_check(
    sample: NumericSample | Mapping[str, int],
    reference: NumericReference | CategoricalReference,
    counts: FeatureCounts,
    pooled: frozenset[str],
) -> QualityCheck:
    """Return the check of a feature that varied and has one value now: its share is 1 (one value) or 0.

    Parameters
    ----------
    pooled : names in `sample` that stand for several values.
    """
    values = sample.n if isinstance(sample, NumericSample) else sum(sample.values())
    varied = reference.distinct > 1 if isinstance(reference, NumericReference) else len(reference.counts) > 1
    if not varied:
        return QualityCheck(CONSTANT, undefined=NEVER_VARIED)
    if values < FEWEST:
        return QualityCheck(CONSTANT, undefined=INSUFFICIENT_DATA if values else NO_VALUES)
    filled: list[int]
    if isinstance(sample, NumericSample):
        single = sample.minimum == sample.maximum
        filled = [number for number, count in enumerate(sample.counts) if count]
        usual_counts = list(reference.counts) if isinstance(reference, NumericReference) else []
        usual = sum(int(usual_counts[number]) for number in filled)
    else:
        names = [name for name, count in sample.items() if count]
        single = len(names) == 1
        if single and names[0] in pooled:
            return QualityCheck(CONSTANT, undefined=RARE_CATEGORIES)
        categories = reference.counts if isinstance(reference, CategoricalReference) else {}
        usual = sum(categories.get(name, 0) for name in names)
    if not single:
        return QualityCheck(CONSTANT, 0.0, is_broken=False)
    likely = wilson_interval(usual, reference.n, LIMIT)
    share = likely.high if isinstance(likely, ConfidenceInterval) else 1.0
    by_chance = values * counts.independence * math.log(share) if share < 1 else 0.0
    return QualityCheck(CONSTANT, 1.0, reference=0.0, is_broken=by_chance < math.log(LARGEST_CHANCE))


def _from_bin(ages: Mapping[int, int], first: int) -> int:
    return sum(count for number, count in ages.items() if number >= first)


def _share_check(name: str, count: int, trials: int, counts: FeatureCounts, usual: tuple[int, int]) -> QualityCheck:
    """Return the check of a share.

    Parameters
    ----------
    usual : the count and the trials in the reference.
    """
    if trials < FEWEST:
        return QualityCheck(name, undefined=INSUFFICIENT_DATA if trials or not counts.predictions else NO_VALUES)
    effective = trials * counts.independence
    share = min(count, trials) / trials
    interval = wilson_interval(share * effective, effective, Z_95)
    lowest = wilson_interval(share * effective, effective, LIMIT)
    before, before_trials = usual
    if not before_trials:
        return QualityCheck(name, share, _interval(interval), undefined=NO_REFERENCE)
    reference = before / before_trials
    effective_before = before_trials * counts.independence
    highest = wilson_interval(reference * effective_before, effective_before, LIMIT)
    is_broken = (
        isinstance(lowest, ConfidenceInterval)
        and isinstance(highest, ConfidenceInterval)
        and lowest.low > highest.high + MARGIN
    )
    return QualityCheck(name, share, _interval(interval), reference, is_broken)


def _interval(interval: ConfidenceInterval | Undefined) -> ConfidenceInterval | None:
    return interval if isinstance(interval, ConfidenceInterval) else None
