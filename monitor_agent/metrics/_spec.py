"""The type of a metric: its name, unit and range, the functions of its value and interval, and undefined values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from monitor_agent.metrics.window_state import WindowState
from monitor_agent.vocabulary.prediction_kinds import BINARY, MULTICLASS

FieldKind = Literal["count", "ratio", "float", "duration_ms", "keyword"]
"""The type of a field: an integer, a number in [0, 1], any number, milliseconds, or a word."""


@dataclass(frozen=True)
class Undefined:
    """The result of a metric that has no value.

    ``reason`` is a fixed word such as ``no_samples``, ``one_class``, ``no_predicted_positive``,
    ``no_actual_positive`` or ``insufficient_data``. The document stores it with the null.
    """

    reason: str


@dataclass(frozen=True)
class ConfidenceInterval:
    """A closed confidence interval, in the unit of its metric."""

    low: float
    high: float


MetricValue = float | int | Undefined


@dataclass(frozen=True)
class MetricSpec:
    """One metric of the catalogue.

    Attributes
    ----------
    name : field name in the metrics document.
    kind : the type of the field.
    help : one line for analysts.
    value : computes the metric from a window's state.
    interval : computes its interval, stored as ``<name>_low`` and ``<name>_high``; None = the metric has no interval.
    unit : ``1`` for pure numbers, else ``ms``, ``1/s`` or the unit of the feedback's value.
    bigger_is_better : None if neither direction is better.
    range : smallest and largest possible value; None = no limit.
    label_free : True if the metric needs no known label; all further metrics are ``no_samples`` without samples.
    source : the source of the definition.
    samples : the number of samples of a metric that needs feedback; by default the predictions with a known label.
    all_kinds : whether the metric is of all kinds of predictions together, such as a response time.
    of_kind : the kind of predictions that it is a metric of, if not of all.
    of_classes : the same metric of multiclass predictions; None = it has no value there.
    """

    name: str
    kind: FieldKind
    help: str
    value: Callable[[WindowState], MetricValue]
    interval: Callable[[WindowState], ConfidenceInterval | Undefined] | None = None
    unit: str = "1"
    bigger_is_better: bool | None = None
    range: tuple[float | None, float | None] = (0.0, 1.0)
    label_free: bool = False
    source: str = ""
    samples: Callable[[WindowState], int] = attrgetter("n")
    all_kinds: bool = False
    of_kind: str = BINARY
    of_classes: MetricSpec | None = None

    def for_kind(self, kind: str | None) -> MetricSpec | Undefined:
        """Return the metric of predictions of a kind; undefined (the kind is the reason) if they have no such metric.

        Parameters
        ----------
        kind : as `kind_of` returns it; None = there are no predictions.
        """
        if kind is None or kind == self.of_kind:
            return self
        if not self.is_of(kind):
            return Undefined(kind)
        return self if self.all_kinds or self.of_classes is None else self.of_classes

    def is_of(self, kind: str | None) -> bool:
        """Return whether predictions of a kind have the metric; of no kind or several, they have those of all kinds."""
        return self.all_kinds or kind == self.of_kind or (kind == MULTICLASS and self.of_classes is not None)

    def fields(self) -> dict[str, FieldKind]:
        """Return all document fields of this metric with their kinds.

        >>> MetricSpec("tp", "count", "true positives", lambda state: state.tp).fields()
        {'tp': 'count'}
        """
        if self.kind == "count":
            return {self.name: "count"}
        kinds: dict[str, FieldKind] = {self.name: self.kind}
        if self.interval is not None or (self.of_classes is not None and self.of_classes.interval is not None):
            kinds |= {f"{self.name}_low": self.kind, f"{self.name}_high": self.kind}
        kinds[f"{self.name}_undefined"] = "keyword"
        return kinds
