"""The values that a chart draws: series of points, and the axes that they lie on (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from monitor_agent.dashboards import formats
from monitor_agent.kibana.tables import TableColumn, Value
from monitor_agent.kibana.times import TimeRange


def category(value: Value) -> str:
    """Return the name of a group on an axis; a number as the browser writes it.

    >>> category(-19.0), category(0.05), category("click")
    ('-19', '0.05', 'click')
    """
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


class Point(NamedTuple):
    """One point of a series: its place on the x axis, its value, and the value as text.

    Attributes
    ----------
    low, high : ends of the value's interval; None = it has none.
    details : its interval and the number of events behind it, in words.
    weak : whether few events are behind it, or alerts may not use it.
    """

    x: Value
    value: float | None
    text: str
    low: float | None = None
    high: float | None = None
    details: str = ""
    weak: bool = False

    @property
    def full_text(self) -> str:
        """Return the value with its details, for a tooltip."""
        return f"{self.text} {self.details}" if self.details else self.text


@dataclass(frozen=True)
class Series:
    """One line, area or set of bars.

    Attributes
    ----------
    dash : kind of line: 0 is solid, each further number has dashes of its own.
    ends : the columns with the ends of its interval, if it has one.
    """

    name: str
    color: str
    dash: int
    width: float
    kind: str
    column: TableColumn
    points: tuple[Point, ...]
    ends: tuple[TableColumn, TableColumn] | None = None

    @property
    def line(self) -> bool:
        """Whether it is a line, which joins its points."""
        return self.kind in ("line", "steps")


@dataclass(frozen=True)
class Axes:
    """The axes of a chart.

    Attributes
    ----------
    time : whether the x axis is time.
    interval : length of a bar over time, in milliseconds.
    range : the time that the x axis covers.
    numeric : whether the x axis is a scale of numbers.
    categories : the groups on the x axis, in order, if it is neither time nor numbers.
    greatest : the greatest value, before it is scaled.
    whole : whether all values are whole numbers.
    extent : the ends of the y axis; None = they follow from the values.
    """

    time: bool
    interval: int
    range: TimeRange
    categories: tuple[str, ...]
    sideways: bool
    title_x: str
    title_y: str
    scale: formats.Scale
    greatest: float
    whole: bool
    extent: tuple[float, float] | None
    from_zero: bool
    numeric: bool = False


@dataclass(frozen=True)
class Threshold:
    """A fixed line across a chart."""

    value: float
    text: str
    color: str
