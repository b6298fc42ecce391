"""What is counted about the values of a feature; the counts of disjoint windows add up."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

AGE_EDGES = tuple(10 ** (power / 10) for power in range(-10, 91))
"""Edges of the ages, in seconds: 0.1 s to 10^9 s (32 years), ten in a decade."""


@dataclass(frozen=True)
class FeatureCounts:
    """The counts of one feature in a window.

    Attributes
    ----------
    predictions : predictions of the window.
    requests : those that are the first of their request.
    missing : predictions without a value.
    below, above : predictions with a value below the reference's smallest, or above its largest one.
    new : predictions with a value, but none that the reference has.
    wrong_type : lines that were refused because this feature was no number.
    ages : bin of `AGE_EDGES` -> predictions; bin i holds ``edges[i - 1] <= age < edges[i]``, both ends are open.
    age_sum, oldest : sum and maximum of the ages, in seconds.
    """

    predictions: int = 0
    requests: int = 0
    missing: int = 0
    below: int = 0
    above: int = 0
    new: int = 0
    wrong_type: int = 0
    ages: Mapping[int, int] = field(default_factory=dict)
    age_sum: float = 0.0
    oldest: float = 0.0

    @property
    def present(self) -> int:
        """Number of predictions with a value."""
        return self.predictions - self.missing

    @property
    def aged(self) -> int:
        """Number of predictions with an age of the value."""
        return sum(self.ages.values())

    @property
    def independence(self) -> float:
        """The part of the predictions that counts as independent: those of one request share values."""
        return min(1.0, self.requests / self.predictions) if self.requests and self.predictions else 1.0


@dataclass(frozen=True)
class UsualValues:
    """What a reference says about the values of a feature, beyond their distribution.

    Attributes
    ----------
    predictions, missing : predictions (or rows of a table) of the reference, and those without a value.
    categories : all values of a categorical feature; None = unknown, or too many.
    single : how many of them occurred once: their share is that of the values that nobody has met yet (I. Good, "The
        population frequencies of species", Biometrika 40 (1953)).
    ages : as in `FeatureCounts`; empty = not logged.
    """

    predictions: int = 0
    missing: int = 0
    categories: tuple[str, ...] | None = None
    single: int = 0
    ages: Mapping[int, int] = field(default_factory=dict)


def merge_counts(counts: Iterable[FeatureCounts]) -> FeatureCounts:
    """Return the counts of disjoint windows as those of one window.

    >>> merge_counts([FeatureCounts(2, 1, 1), FeatureCounts(3, 3, ages={4: 3}, oldest=0.2)]).missing
    1
    """
    rows = list(counts)
    ages: Counter[int] = Counter()
    for row in rows:
        ages.update(row.ages)
    return FeatureCounts(
        predictions=sum(row.predictions for row in rows),
        requests=sum(row.requests for row in rows),
        missing=sum(row.missing for row in rows),
        below=sum(row.below for row in rows),
        above=sum(row.above for row in rows),
        new=sum(row.new for row in rows),
        wrong_type=sum(row.wrong_type for row in rows),
        ages=dict(sorted(ages.items())),
        age_sum=math.fsum(row.age_sum for row in rows),
        oldest=max((row.oldest for row in rows), default=0.0),
    )


def age_bin(seconds: float) -> int:
    """Return the bin of an age.

    >>> age_bin(0.0), age_bin(1.0), age_bin(1e10)
    (0, 11, 101)
    """
    return bisect_right(AGE_EDGES, seconds)


def age_quantile(ages: Mapping[int, int], share: float) -> float | None:
    """Return a quantile of ages in seconds, within 13 %: the geometric middle of its bin; None without ages.

    >>> age_quantile({11: 90, 21: 10}, 0.95)
    11.2
    """
    total = sum(ages.values())
    if not total:
        return None
    rank, older = math.ceil(share * total), 0
    number = 0
    for number in sorted(ages):
        older += ages[number]
        if older >= rank:
            break
    if number == 0:
        return 0.0
    if number == len(AGE_EDGES):
        return AGE_EDGES[-1]
    return float(f"{math.sqrt(AGE_EDGES[number - 1] * AGE_EDGES[number]):.3g}")
