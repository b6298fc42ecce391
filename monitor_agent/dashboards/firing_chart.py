"""The value of a firing over time against its limit, as SVG: on its page, and as a picture in messages (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from math import ceil, floor, log10
from xml.sax.saxutils import escape, quoteattr

from monitor_agent.alerting.firing_history import ValueHistory, ValuePoint
from monitor_agent.alerting.firings import Firing
from monitor_agent.dashboards import formats, svg
from monitor_agent.dashboards.svg import text
from monitor_agent.dashboards.visible_text import xml_text
from monitor_agent.pipeline.instants import EPOCH, Interval

LEFT, RIGHT, TOP, BOTTOM = 58.0, 14.0, 30.0, 26.0
LABEL_GAP, TICK_GAP = 90.0, 42.0
MOST_WHISKERS = 120
_STEPS = [timedelta(minutes=count) for count in (5, 15, 30, 60, 180, 360, 720, 1440, 2880, 10_080, 40_320, 161_280)]

ValueText = Callable[[float], str]
"""Returns a value with its unit."""


@dataclass(frozen=True)
class ChartColors:
    """The colours of a picture: of letters, lines, values, and values beyond the limit."""

    letters: str
    grid: str
    line: str
    bad: str
    active: str


PAGE_COLORS = ChartColors("var(--soft)", "var(--line)", "var(--blue)", "var(--bad)", "var(--bad-back)")
"""Those of the page's theme."""
PICTURE_COLORS = ChartColors(svg.SOFT, svg.LINE, "#0B64DD", svg.BAD, "#FFE8E5")


@dataclass(frozen=True)
class FiringChart:
    """A chart of a firing.

    Attributes
    ----------
    value_text : writes a value of the measure with its unit.
    until : the end of the time in which the firing was active.
    """

    history: ValueHistory
    firing: Firing
    value_text: ValueText
    until: datetime
    width: float = 960.0
    height: float = 280.0
    colors: ChartColors = PAGE_COLORS

    def summary(self) -> str:
        """Return the chart in words, for people who cannot see it."""
        points = [point for point in self.history.points if point.value is not None]
        met = sum(point.met for point in self.history.points)
        values = [self.value_text(point.value) for point in points[-1:] if point.value is not None]
        limit = "" if self.history.limit is None else f", limit {self.value_text(self.history.limit)}"
        newest = values[0] if values else "not measured"
        often = f"the condition was met at {met} of {len(points)} moments"
        return f"{self.history.measure}: newest value {newest}{limit}, {often}"

    def picture(self, title: str) -> str:
        """Return the chart as the text of an SVG file, with its title above it."""
        head = 34.0
        height = self.height + head
        size = f'width="{self.width:g}" height="{height:g}" viewBox="0 0 {self.width:g} {height:g}"'
        back = svg.box(0, 0, self.width, height, svg.PANEL)
        words = text(16, 24, svg.fitted(title, self.width - 32, 15), 15, svg.INK, 600)
        body = f'<g transform="translate(0 {head:g})">{self._body()}</g>'
        return xml_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{back}{words}{body}</svg>')

    def inline(self, name: str) -> str:
        """Return the chart as an element of a page; `name` are its CSS classes."""
        label = quoteattr(self.summary())
        box = f'viewBox="0 0 {self.width:g} {self.height:g}"'
        return xml_text(f'<svg class={quoteattr(name)} role="img" aria-label={label} {box}>{self._body()}</svg>')

    def _body(self) -> str:
        scale = _ValueScale.of(self.history, self.height)
        pieces = [*self._active_span(), *self._value_axis(scale), *self._time_axis(), *self._limit(scale)]
        for run in self.history.runs():
            pieces.append(self._line(run, scale))
        measured = [point for point in self.history.points if point.value is not None]
        if len(measured) <= MOST_WHISKERS:
            pieces += [self._whisker(point, scale) for point in measured]
        pieces += [self._dot(point, scale) for point in sorted(measured, key=lambda point: point.met)]
        return "".join(pieces)

    def _x(self, moment: datetime) -> float:
        interval = self.history.interval
        share = (moment - interval.start).total_seconds() / max(1.0, interval.seconds)
        return LEFT + min(1.0, max(0.0, share)) * (self.width - LEFT - RIGHT)

    def _active_span(self) -> Iterator[str]:
        """Yield the time in which the firing was active, and its begin and end."""
        bottom = self.height - BOTTOM
        if self.firing.active_since is not None:
            start, end = self._x(self.firing.active_since), self._x(self.until)
            yield svg.box(start, TOP, max(1.0, end - start), bottom - TOP, self.colors.active)
        moments = [("active", self.firing.active_since), ("recovered", self.firing.end)]
        if self.firing.active_since is None or self._x(self.firing.active_since) - self._x(self.firing.start) > LEFT:
            moments.insert(0, ("pending", self.firing.start))
        free = 0.0
        for word, moment in moments:
            if moment is None:
                continue
            x = self._x(moment)
            yield _rule(x, TOP - 6, x, bottom, self.colors.letters, "2 3")
            label = f"{word} {moment.astimezone(timezone.utc):%H:%M}"
            length = svg.text_width(label, 11)
            at = max(free, min(x - length / 2, self.width - RIGHT - length))
            if at + length <= self.width - RIGHT + 1:
                yield text(at, TOP - 12, label, 11, self.colors.letters)
                free = at + length + 10

    def _value_axis(self, scale: _ValueScale) -> Iterator[str]:
        for value in scale.ticks:
            y = scale.y(value)
            yield _rule(LEFT, y, self.width - RIGHT, y, self.colors.grid)
            yield text(LEFT - 8, y + 4, self.value_text(value), 11, self.colors.letters, 400, "end")

    def _time_axis(self) -> Iterator[str]:
        bottom = self.height - BOTTOM
        for moment in time_ticks(self.history.interval, int((self.width - LEFT - RIGHT) // LABEL_GAP)):
            x = self._x(moment)
            yield _rule(x, bottom, x, bottom + 4, self.colors.letters)
            local = moment.astimezone(formats.reader_zone())
            is_day = (local.hour, local.minute) == (0, 0)
            yield text(
                x,
                bottom + 17,
                f"{local:%d %b}" if is_day else f"{local:%H:%M}",
                11,
                self.colors.letters,
                400,
                "middle",
            )

    def _limit(self, scale: _ValueScale) -> Iterator[str]:
        if self.history.limit is None:
            return
        y = scale.y(self.history.limit)
        yield _rule(LEFT, y, self.width - RIGHT, y, self.colors.bad, "6 4", 1.5)
        above = y - 5 if self.history.upwards else y + 14
        label = f"limit {self.value_text(self.history.limit)}"
        yield text(self.width - RIGHT - 4, above, label, 11, self.colors.bad, 600, "end")

    def _line(self, run: Sequence[ValuePoint], scale: _ValueScale) -> str:
        places = " ".join(f"{self._x(point.at):.1f},{scale.y(point.value or 0.0):.1f}" for point in run)
        return f'<polyline points="{places}" fill="none" stroke="{self.colors.line}" stroke-width="1.6"/>'

    def _whisker(self, point: ValuePoint, scale: _ValueScale) -> str:
        if point.low is None or point.high is None:
            return ""
        x = self._x(point.at)
        color = self.colors.bad if point.met else self.colors.line
        return _rule(x, scale.y(point.low), x, scale.y(point.high), color, width=1.2)

    def _dot(self, point: ValuePoint, scale: _ValueScale) -> str:
        value = point.value or 0.0
        ends = (
            f" ({self.value_text(point.low)} to {self.value_text(point.high)})"
            if point.low is not None and point.high is not None
            else ""
        )
        met = ", the condition was met" if point.met else ""
        words = f"{formats.local_moment(point.at, '%d %b %H:%M')}: {self.value_text(value)}{ends}{met}"
        crowd = self.width / max(1, len(self.history.points))
        color, radius = (self.colors.bad, min(3.4, max(1.2, crowd / 3))) if point.met else (self.colors.line, 1.8)
        place = f'cx="{self._x(point.at):.1f}" cy="{scale.y(value):.1f}" r="{radius:g}"'
        return f'<circle {place} fill="{color}"><title>{escape(words)}</title></circle>'


@dataclass(frozen=True)
class _ValueScale:
    """The axis of values: its ends, its ticks and the height of the chart."""

    low: float
    high: float
    ticks: Sequence[float]
    height: float

    @classmethod
    def of(cls, history: ValueHistory, height: float) -> _ValueScale:
        ends = [
            value for point in history.points for value in (point.value, point.low, point.high) if value is not None
        ]
        ends += [] if history.limit is None else [history.limit]
        low, high = min(ends, default=0.0), max(ends, default=1.0)
        if low >= 0:
            low = 0.0
        if high <= low:
            high = low + 1.0
        high += 0.06 * (high - low)
        step = _nice_step((high - low) / max(2.0, (height - TOP - BOTTOM) / TICK_GAP))
        low = floor(low / step) * step
        ticks = [low + step * number for number in range(ceil((high - low) / step)) if low + step * number <= high]
        return cls(low, high, ticks, height)

    def y(self, value: float) -> float:
        """Return the place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.height - BOTTOM - min(1.0, max(0.0, share)) * (self.height - TOP - BOTTOM)


def time_ticks(interval: Interval, most: int) -> list[datetime]:
    """Return at most `most` round moments of an interval, by the clock of the reader.

    >>> noon = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
    >>> [moment.hour for moment in time_ticks(Interval(noon, noon + timedelta(hours=11)), 5)]
    [12, 15, 18, 21]
    """
    length = interval.end - interval.start
    step = next((step for step in _STEPS if length / step <= max(1, most)), _STEPS[-1])
    epoch = EPOCH - (interval.start.astimezone(formats.reader_zone()).utcoffset() or timedelta())
    first = epoch + -(-(interval.start - epoch) // step) * step
    return [first + number * step for number in range(max(0, (interval.end - first) // step + 1))]


def _nice_step(least: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is not below a number.

    >>> _nice_step(0.03), _nice_step(7)
    (0.05, 10.0)
    """
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least * 0.999)


def _rule(x1: float, y1: float, x2: float, y2: float, color: str, dash: str = "", width: float = 1.0) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" '
        f'stroke-width="{width:g}"{dashes}/>'
    )
