"""A metric before and after, as sums: of all predictions, and of some of them (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

from monitor_agent.vocabulary.prediction_kinds import BINARY, MULTICLASS, REGRESSION

HOUR = "hour"
"""The dimension of the hours."""


@dataclass(frozen=True)
class ValueSums:
    """A value of each prediction, added up: 1 (a success) or 0 of a rate, or the absolute error of a regression.

    Attributes
    ----------
    trials : number of predictions.
    total, squares : sums of the values and of their squares.
    """

    trials: int = 0
    total: float = 0
    squares: float = 0

    @property
    def successes(self) -> int:
        """The number of ones; only of a rate."""
        return round(self.total)

    @property
    def failures(self) -> int:
        """The number of zeros; only of a rate."""
        return self.trials - self.successes

    def __add__(self, other: ValueSums) -> ValueSums:
        return ValueSums(self.trials + other.trials, self.total + other.total, self.squares + other.squares)

    def __sub__(self, other: ValueSums) -> ValueSums:
        return ValueSums(self.trials - other.trials, self.total - other.total, self.squares - other.squares)


def share(successes: int, failures: int) -> ValueSums:
    """Return the sums of a rate."""
    return ValueSums(successes + failures, successes, successes)


@dataclass(frozen=True)
class Change:
    """The sums of the same predictions before and after: of the baseline, and of the time or version in question."""

    before: ValueSums = ValueSums()
    after: ValueSums = ValueSums()

    def __add__(self, other: Change) -> Change:
        return Change(self.before + other.before, self.after + other.after)

    def __sub__(self, other: Change) -> Change:
        return Change(self.before - other.before, self.after - other.after)


def total(changes: Iterable[Change]) -> Change:
    """Return the sum of changes of disjoint predictions."""
    return reduce(Change.__add__, changes, Change())


@dataclass(frozen=True)
class Measure:
    """A metric that is a share of counts, or a mean.

    Attributes
    ----------
    name : the metric's name in the metrics documents.
    successes, failures : the counts that make the share, such as `tp`, `fp`, `fn`, `tn`; none of a mean.
    weight : how often a success counts.
    lower_is_better : whether a rise is the trouble.
    """

    name: str
    successes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    weight: int = 1
    lower_is_better: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it is a share of counts, and changes by percentage points."""
        return bool(self.successes)

    @property
    def worse(self) -> str:
        """What it does if it becomes worse."""
        return "rise" if self.lower_is_better else "fall"

    @property
    def has_become_worse(self) -> str:
        """The same in the past tense."""
        return "rose" if self.lower_is_better else "fell"

    def sums(self, counts: Mapping[str, int]) -> ValueSums:
        """Return the sums of a share."""
        return share(sum(counts[name] for name in self.successes), sum(counts[name] for name in self.failures))

    def denominator(self, sums: ValueSums) -> float:
        """Return the denominator of the metric: the part of a value in the whole is its part of this."""
        return sums.trials + (self.weight - 1) * sums.total

    def value(self, sums: ValueSums) -> float | None:
        """Return the metric; None without predictions.

        >>> f1 = MEASURES[BINARY]["f1"]
        >>> f1.value(f1.sums({"tp": 3, "fp": 1, "fn": 1, "tn": 90}))
        0.75
        """
        denominator = self.denominator(sums)
        return self.weight * sums.total / denominator if denominator else None

    def improvement(self, change: Change) -> float:
        """Return how much better the metric has become: below 0 = worse; 0 if a side has no value."""
        before, after = self.value(change.before), self.value(change.after)
        if before is None or after is None:
            return 0.0
        return before - after if self.lower_is_better else after - before

    def change_text(self, change: float, *, unit: bool = True) -> str:
        """Return a change of the metric for people; nothing has no sign.

        >>> MEASURES[BINARY]["f1"].change_text(-0.125), MEASURES[REGRESSION]["mae"].change_text(2.5)
        ('-12.50 pp', '+2.5')
        """
        if not self.is_share:
            return f"{change:+.4g}" if change else "0"
        points = round(100 * change, 2)
        return (f"{points:+.2f}" if points else "0.00") + (" pp" if unit else "")


POSITIVE_RATE = "positive_rate"
"""The share of positives, whatever the model is judged by: shown as `ctr` if it is judged by clicks."""
HITS, MISSES = "hits", "misses"

_OF_BINARY = (
    Measure(POSITIVE_RATE, ("tp", "fn"), ("fp", "tn")),
    Measure("accuracy", ("tp", "tn"), ("fp", "fn")),
    Measure("precision", ("tp",), ("fp",)),
    Measure("recall", ("tp",), ("fn",)),
    Measure("f1", ("tp",), ("fp", "fn"), weight=2),
)
MEASURES: Mapping[str, Mapping[str, Measure]] = {
    BINARY: {measure.name: measure for measure in _OF_BINARY},
    MULTICLASS: {"accuracy": Measure("accuracy", (HITS,), (MISSES,))},
    REGRESSION: {"mae": Measure("mae", lower_is_better=True)},
}
"""Kind of predictions -> name -> a metric whose change can be split; the first one is split if none is named."""
METRICS = list(dict.fromkeys(name for measures in MEASURES.values() for name in measures))
"""The names of all of them."""
