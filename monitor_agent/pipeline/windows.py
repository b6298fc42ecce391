"""The windows that metrics are computed for: their bounds, their components, their states (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from monitor_agent.contracts.performance import STATE_FINAL, STATE_OPEN, STATE_PROVISIONAL
from monitor_agent.durations import format_duration
from monitor_agent.errors import SettingsError
from monitor_agent.pipeline.instants import DAY, EPOCH, HOUR, WEEK, Interval
from monitor_agent.settings import ModelSettings

FIRST_MOMENT, LAST_MOMENT = EPOCH.replace(year=3), EPOCH.replace(year=9998)
"""Moments outside have no windows: dates in the years 1 to 9999 only can be computed with."""


@dataclass(frozen=True, order=True)
class Window(Interval):
    """An interval that metrics are computed for; `size` is the name of its nominal length, such as `1h`."""

    size: str


@lru_cache(maxsize=100_000)
def weeks_before(moment: datetime, weeks: int, zone: ZoneInfo) -> datetime:
    """Return the start of the hour that the clock of the time zone showed some weeks before.

    >>> noon = datetime(2026, 3, 30, 10, tzinfo=EPOCH.tzinfo)  # 12:00 in Berlin, the day after the clocks changed
    >>> weeks_before(noon, 1, ZoneInfo("Europe/Berlin")).isoformat()
    '2026-03-23T11:00:00+00:00'
    """
    return hour_of_clock(moment.astimezone(zone).replace(tzinfo=None) - weeks * WEEK, zone)


def hour_of_clock(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the start of the hour at which the clock of a time zone shows a time."""
    moment = local.replace(tzinfo=zone).astimezone(timezone.utc)
    return moment - (moment - EPOCH) % HOUR


class Calendar:
    """All windows of the settings.

    The smallest windows, and all windows shorter than a day, begin at multiples of their size since 1970 (UTC). Larger
    windows of days begin at midnight in the time zone, windows of seven days on Mondays. A larger window is merged from
    the largest smaller windows that fit into it without a remainder.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._zone = ZoneInfo(settings.time_zone)
        self._wait = settings.attribution_window + settings.ingest_grace
        self._restatement_limit = settings.restatement_limit
        self.sizes: tuple[timedelta, ...] = (settings.base_window, *settings.larger_windows)
        self.names: tuple[str, ...] = tuple(format_duration(size) for size in self.sizes)

    @property
    def base(self) -> str:
        """The name of the smallest size."""
        return self.names[0]

    @property
    def larger(self) -> tuple[str, ...]:
        """The names of the other sizes, smallest first."""
        return self.names[1:]

    @property
    def of_drift(self) -> tuple[str, ...]:
        """The names of the sizes whose drift is measured, smallest first; base windows below an hour have none."""
        return self.names if self.sizes[0] >= HOUR else self.larger

    def window(self, size: str, moment: datetime) -> Window:
        """Return the window of that size that holds `moment`.

        Raises
        ------
        ValueError
            If the moment is so far away that a window around it would have no start or no end.
        """
        if not FIRST_MOMENT <= moment < LAST_MOMENT:
            raise ValueError(f"there is no window at {moment:%Y-%m-%d}")
        length = self.sizes[self.names.index(size)]
        if size == self.base or length % DAY:
            start = moment - (moment - EPOCH) % length
            return Window(start, start + length, size)
        days = length // DAY
        local = moment.astimezone(self._zone)
        first = local.toordinal() - (local.toordinal() - 1) % days
        return Window(self._midnight(first), self._midnight(first + days), size)

    def base_window(self, moment: datetime) -> Window:
        """Return the smallest window that holds `moment`."""
        return self.window(self.base, moment)

    def week_before(self, window: Window) -> Window:
        """Return the same window of the week before, by the clock of the time zone."""
        middle = window.start + (window.end - window.start) / 2
        return self.window(window.size, weeks_before(middle, 1, self._zone))

    def weeks_after(self, window: Window) -> list[Window]:
        """Return the windows whose week before is `window`: one, or none or two where the clocks change."""
        middle = window.start + (window.end - window.start) / 2
        shifts = (-HOUR, timedelta(), HOUR)
        near = {self.window(window.size, middle + WEEK + shift) for shift in shifts}
        return [later for later in sorted(near) if self.week_before(later) == window]

    def between(self, size: str, interval: Interval) -> Iterator[Window]:
        """Yield the windows of that size that overlap an interval, in order."""
        window = self.window(size, interval.start)
        while window.start < interval.end:
            yield window
            window = self.window(size, window.end)

    def component_size(self, window: Window) -> str:
        """Return the size of the windows that `window` is merged from.

        Raises
        ------
        SettingsError
            If no smaller size fits.
        """
        for size in reversed(self.names[: self.names.index(window.size)]):
            first = self.window(size, window.start)
            last = self.window(size, window.end)
            if first.start == window.start and last.start == window.end:
                return size
        raise SettingsError(
            f"windows of {self.base} do not fit into a day of {self._zone.key}", "set MONITOR_BASE_WINDOW=15m or less"
        )

    def final_at(self, window: Window) -> datetime:
        """Return the moment from which no label of the window can come in time any more."""
        return window.end + self._wait

    def restated_until(self, window: Window) -> datetime:
        """Return until when events that come late restate the window."""
        return self.final_at(window) + self._restatement_limit

    def state(self, window: Window, now: datetime) -> str:
        """Return `open`, `provisional` or `final`."""
        if now < window.end:
            return STATE_OPEN
        return STATE_FINAL if now >= self.final_at(window) else STATE_PROVISIONAL

    def _midnight(self, ordinal: int) -> datetime:
        day = datetime.fromordinal(ordinal)
        return day.replace(tzinfo=self._zone).astimezone(timezone.utc)
