"""A rate before and after, as counts: of all predictions, and of a part of them (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

HOUR = "hour"
"""The dimension of the hours."""


@dataclass(frozen=True)
class Share:
    """Counts that make a rate.

    Attributes
    ----------
    successes, failures : numbers of predictions.
    """

    successes: int = 0
    failures: int = 0

    @property
    def trials(self) -> int:
        """The number of predictions."""
        return self.successes + self.failures

    def __add__(self, other: Share) -> Share:
        return Share(self.successes + other.successes, self.failures + other.failures)

    def __sub__(self, other: Share) -> Share:
        return Share(self.successes - other.successes, self.failures - other.failures)


@dataclass(frozen=True)
class Change:
    """The counts of the same predictions before and after: of the baseline, and of the time or version in question."""

    before: Share = Share()
    after: Share = Share()

    def __add__(self, other: Change) -> Change:
        return Change(self.before + other.before, self.after + other.after)

    def __sub__(self, other: Change) -> Change:
        return Change(self.before - other.before, self.after - other.after)


def total(changes: Iterable[Change]) -> Change:
    """Return the sum of changes of disjoint predictions."""
    return reduce(Change.__add__, changes, Change())


@dataclass(frozen=True)
class Measure:
    """A metric that is a share of counts.

    Attributes
    ----------
    name : the metric's name in the metrics documents.
    successes, failures : the cells of the confusion matrix that count: `tp`, `fp`, `fn`, `tn`.
    weight : how often a success counts.
    """

    name: str
    successes: tuple[str, ...]
    failures: tuple[str, ...]
    weight: int = 1

    def share(self, *, tp: int, fp: int, fn: int, tn: int) -> Share:
        """Return the counts of this metric."""
        cells = {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
        return Share(sum(cells[name] for name in self.successes), sum(cells[name] for name in self.failures))

    def denominator(self, share: Share) -> int:
        """Return the denominator of the metric: the part of a value in the whole is its part of this."""
        return self.weight * share.successes + share.failures

    def value(self, share: Share) -> float | None:
        """Return the metric; None without predictions.

        >>> MEASURES["f1"].value(MEASURES["f1"].share(tp=3, fp=1, fn=1, tn=90))
        0.75
        """
        denominator = self.denominator(share)
        return self.weight * share.successes / denominator if denominator else None


POSITIVE_RATE = "positive_rate"
"""The share of positives, whatever the model is judged by: shown as `ctr` if it is judged by clicks."""

MEASURES = {
    measure.name: measure
    for measure in (
        Measure(POSITIVE_RATE, ("tp", "fn"), ("fp", "tn")),
        Measure("accuracy", ("tp", "tn"), ("fp", "fn")),
        Measure("precision", ("tp",), ("fp",)),
        Measure("recall", ("tp",), ("fn",)),
        Measure("f1", ("tp",), ("fp", "fn"), weight=2),
    )
}
"""Name -> a metric whose fall can be split."""
