"""Stretches of time with their counts, and the series of a version beside what it is compared with (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from monitor_agent.metrics.sequential.series import Floats, RateSeries, ValueSeries
from monitor_agent.metrics.sequential.typical import typical_rates, typical_values
from monitor_agent.pipeline.instants import EPOCH, HOUR
from monitor_agent.pipeline.windows import hour_of_clock, weeks_before

SMALLEST_CLASS = 10
"""Positives and negatives that an hour needs: the variance of an AUC or F1 of fewer means little."""


@dataclass(frozen=True)
class Counts:
    """What one stretch of time counted.

    Attributes
    ----------
    pairs : measure -> hits and trials.
    values : measure -> value and variance.
    """

    pairs: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)


Stretches = Mapping[datetime, Counts]
"""Start of a stretch -> its counts."""


@dataclass(frozen=True)
class PastWeeks:
    """The model's hours, and where to find those of the past weeks.

    Attributes
    ----------
    hours : the hours of the model over all versions.
    zone : the model's clock.
    weeks : how many weeks are looked at.
    holidays : days of the model's clock that are no measure for other days.
    """

    hours: Stretches
    zone: ZoneInfo
    weeks: int
    holidays: frozenset[date] = frozenset()

    def is_holiday(self, moment: datetime) -> bool:
        """Return whether the model's clock shows a holiday."""
        return bool(self.holidays) and moment.astimezone(self.zone).date() in self.holidays

    def lacks_holiday(self, moment: datetime) -> bool:
        """Return whether a moment lies on a holiday, and no earlier one has counted anything at its hour."""
        if not self.is_holiday(moment):
            return False
        return not any(counts.pairs or counts.values for (counts,) in self.of([hour_of(moment)]))

    def of(self, hours: Sequence[datetime]) -> list[list[Counts]]:
        """Return the counts of the same hours, by week and hour; empty counts where there are none.

        The measure of an hour of a holiday are the same hours of earlier holidays.
        """
        rows = [self._measures(hour) for hour in hours]
        nothing = Counts()
        return [
            [nothing if moment is None else self.hours.get(moment, nothing) for moment in moments]
            for moments in zip(*rows, strict=True)
        ]

    def _measures(self, hour: datetime) -> list[datetime | None]:
        """Return the hours that one hour is compared with, as many as there are weeks; None = there is none."""
        measures: list[datetime | None]
        if self.is_holiday(hour):
            local = hour.astimezone(self.zone).replace(tzinfo=None)
            days = earlier_holidays(self.holidays, local.date(), self.weeks)
            measures = [hour_of_clock(datetime.combine(day, local.time()), self.zone) for day in days]
            return measures + [None] * (self.weeks - len(measures))
        weeks = [weeks_before(hour, week, self.zone) for week in range(1, self.weeks + 1)]
        return [None if self.is_holiday(before) else before for before in weeks]


def earlier_holidays(holidays: Iterable[date], day: date, most: int) -> list[date]:
    """Return the newest holidays before a day."""
    return sorted((holiday for holiday in holidays if holiday < day), reverse=True)[:most]


def hour_of(start: datetime) -> datetime:
    """Return the start of the hour that holds a moment."""
    return start - (start - EPOCH) % HOUR


def rates_against_weeks(
    measure: str, stretches: Stretches, past: PastWeeks, length: timedelta
) -> tuple[list[datetime], RateSeries]:
    """Return the starts and the series of a share against the typical hours of the past weeks.

    Parameters
    ----------
    length : of the shortest stretches: an hour of the past counts for each of them in part, so that its own chance is
        not counted as independent again in each.
    """
    starts = [start for start in sorted(stretches) if measure in stretches[start].pairs]
    hours = sorted({hour_of(start) for start in starts})
    column = {hour: number for number, hour in enumerate(hours)}
    if not hours:
        return [], _rate_series([], [])
    weeks = [[counts.pairs.get(measure, (0.0, 0.0)) for counts in row] for row in past.of(hours)]
    table = np.array(weeks, dtype=np.float64)
    typical = typical_rates(table[..., 0], table[..., 1])
    in_hour: dict[datetime, float] = {}
    for start in starts:
        in_hour[hour_of(start)] = in_hour.get(hour_of(start), 0.0) + 1.0
    usable, pairs, references = [], [], []
    for start in starts:
        number = column[hour_of(start)]
        if typical.trials[number] > 0:
            share_of_hour = max(in_hour[hour_of(start)], HOUR / length if in_hour[hour_of(start)] > 1 else 1.0)
            usable.append(start)
            pairs.append(stretches[start].pairs[measure])
            references.append((typical.rates[number], typical.trials[number] / share_of_hour))
    return usable, _rate_series(pairs, references, typical.dispersion)


def rates_beside(measure: str, stretches: Stretches, other: Stretches) -> tuple[list[datetime], RateSeries]:
    """Return the starts and the series of a share beside that of another version in the same stretches."""
    usable, pairs, references = [], [], []
    for start in sorted(stretches.keys() & other.keys()):
        pair, (hits, trials) = stretches[start].pairs.get(measure), other[start].pairs.get(measure, (0.0, 0.0))
        if pair is not None and pair[1] > 0 and trials > 0:
            usable.append(start)
            pairs.append(pair)
            references.append((hits / trials, trials))
    return usable, _rate_series(pairs, references)


def values_against_weeks(measure: str, stretches: Stretches, past: PastWeeks) -> tuple[list[datetime], ValueSeries]:
    """Return the starts and the series of a value against the medians of the past weeks."""
    starts = [start for start in sorted(stretches) if measure in stretches[start].values]
    if not starts:
        return [], _value_series([], [])
    absent = (np.nan, np.nan)
    table = np.array([[counts.values.get(measure, absent) for counts in row] for row in past.of(starts)])
    medians, variances = typical_values(table[..., 0], table[..., 1])
    usable = [number for number in range(len(starts)) if np.isfinite(medians[number])]
    return [starts[number] for number in usable], _value_series(
        [stretches[starts[number]].values[measure] for number in usable],
        [(float(medians[number]), float(variances[number])) for number in usable],
    )


def values_beside(measure: str, stretches: Stretches, other: Stretches) -> tuple[list[datetime], ValueSeries]:
    """Return the starts and the series of a value beside that of another version in the same stretches."""
    usable = [
        start
        for start in sorted(stretches.keys() & other.keys())
        if measure in stretches[start].values and measure in other[start].values
    ]
    return usable, _value_series(
        [stretches[start].values[measure] for start in usable], [other[start].values[measure] for start in usable]
    )


def _rate_series(
    pairs: Sequence[tuple[float, float]], references: Sequence[tuple[float, float]], dispersion: float = 1.0
) -> RateSeries:
    return RateSeries(*_columns(pairs), *_columns(references), dispersion)


def _value_series(values: Sequence[tuple[float, float]], references: Sequence[tuple[float, float]]) -> ValueSeries:
    return ValueSeries(*_columns(values), *_columns(references), np.ones(len(values)))


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
