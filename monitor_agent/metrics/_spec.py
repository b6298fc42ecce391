"""What a metric is: its name, unit and range, its value, its interval, and why it may be undefined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from monitor_agent.metrics.window_state import WindowState

FieldKind = Literal["count", "ratio", "float", "duration_ms", "keyword"]
"""How a field is stored: an integer, a number in [0, 1], any number, milliseconds, or a word."""


@dataclass(frozen=True)
class Undefined:
    """The answer of a metric that has no value here.

    ``reason`` is a fixed word such as ``no_samples``, ``one_class``, ``no_predicted_positive``,
    ``no_actual_positive`` or ``insufficient_data``; it is stored beside the null.
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
    """One row of the catalogue.

    Attributes
    ----------
    name : field name in the metrics document.
    kind : how the field is stored.
    help : one line for analysts.
    value : what computes it from a window's state.
    interval : what computes its interval, where it has one (stored as ``<name>_low``, ``<name>_high``).
    unit : ``1`` for pure numbers, else ``ms``, ``1/s`` or the feedback value's own unit.
    bigger_is_better : None where neither direction is good in itself.
    range : smallest and largest possible value; None where there is no limit.
    label_free : True when no feedback is needed; the others are undefined (``no_samples``) at n = 0.
    source : where the definition comes from.
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

    def fields(self) -> dict[str, FieldKind]:
        """Every document field that this metric writes, with its kind.

        >>> MetricSpec("tp", "count", "true positives", lambda state: state.tp).fields()
        {'tp': 'count'}
        """
        if self.kind == "count":
            return {self.name: "count"}
        found: dict[str, FieldKind] = {self.name: self.kind}
        if self.interval is not None:
            found |= {f"{self.name}_low": self.kind, f"{self.name}_high": self.kind}
        found[f"{self.name}_undefined"] = "keyword"
        return found
