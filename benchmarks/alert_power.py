"""How soon the verdicts notice a fall, and how rarely they see one in chance: a simulation of the agent's own test.

A run writes `docs/alert-power.md`. Nothing but the counts is simulated: predictions come at random, each gets a click
with the same chance. The series, the ratio, the limits, the look-back and the times at which verdicts are due are those
of the agent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import Measurement, at_most
from monitor_agent.agent.judge import LOOK_BACK, OF_SEGMENTS, RECENT, SHORTEST, WEEKS
from monitor_agent.contracts.verdict import AUC, RATE
from monitor_agent.metrics.auc_interval import interval_of_areas
from monitor_agent.metrics.early_positives import EARLY_AGE
from monitor_agent.metrics.sequential.fall import limit_for
from monitor_agent.metrics.sequential.series import ComparedSeries, RateSeries, ValueSeries
from monitor_agent.metrics.sequential.typical import typical_rates, typical_values
from monitor_agent.metrics.wilson import Z_95
from monitor_agent.pipeline.verdicts import FALSE_ALARMS_A_YEAR, FALSE_ALARMS_OF_SEGMENTS, YEAR
from monitor_agent.settings import AgentSettings

PAGE = Path("docs/alert-power.md")
HOUR = timedelta(hours=1)
SETTINGS = AgentSettings()
SLOTS = int(HOUR / SHORTEST)
WAIT = EARLY_AGE + SETTINGS.ingest_grace + SETTINGS.period
"""From the end of a stretch until its verdict is written, at the latest."""
FINAL_WAIT = SETTINGS.attribution_window + SETTINGS.ingest_grace + SHORTEST

YEARS, RUNS = 4, 200
SEGMENTS = 20
EARLY_SHARE = 0.95
"""Clicks that come within five minutes."""
AT_ONCE, FEW = 400, 24
QUIET = 3
HELD_FROM = 0.5
"""A firing does not recover while the evidence is at this share of its limit: `holds` in `kibana/alerts.toml`."""

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Model:
    """The traffic of a model: predictions an hour, CTR, and the traffic of the version beside it (0 = last weeks)."""

    per_hour: float
    ctr: float
    older: float = 0.0

    @property
    def words(self) -> str:
        """What the page calls it."""
        against = f", beside {self.older:,.0f} of the older version" if self.older else ""
        return f"{self.per_hour:,.0f} an hour, CTR {self.ctr:.0%}{against}"


MODELS = (Model(300, 0.1), Model(3000, 0.1), Model(1e6 / 24, 0.02), Model(3000, 0.1, older=30_000))
RATE_LIMIT = limit_for(FALSE_ALARMS_A_YEAR[RATE], YEAR / SHORTEST)
AUC_LIMIT = limit_for(FALSE_ALARMS_A_YEAR[AUC], YEAR / HOUR)
SEGMENT_LIMIT = limit_for(FALSE_ALARMS_OF_SEGMENTS[RATE] / SEGMENTS, YEAR / HOUR)
RECENT_SLOTS = int(RECENT / SHORTEST)
LAGS = np.concatenate(
    (np.arange(1, RECENT_SLOTS + 1), np.arange(RECENT_SLOTS + SLOTS, int(LOOK_BACK / SHORTEST) + 1, SLOTS))
)
"""Starts of a fall, in stretches before now: any of the last day, and the hours before."""


def rates(
    dice: np.random.Generator, model: Model, slots: int, width: int, fallen: float = 1.0, at: int = -1
) -> RateSeries:
    """Return stretches with early clicks, and their reference.

    Parameters
    ----------
    width : stretches in an hour.
    fallen, at : the CTR is multiplied by `fallen` from the stretch `at` on.
    """
    early = model.ctr * EARLY_SHARE
    chance = np.full(slots, early)
    if at >= 0:
        chance[at:] *= fallen
    trials = dice.poisson(model.per_hour / width, slots)
    hits = dice.binomial(trials, chance).astype(np.float64)
    if model.older:
        other = np.maximum(1, dice.poisson(model.older / width, slots))
        return RateSeries(
            hits, trials.astype(np.float64), dice.binomial(other, early) / other, other.astype(np.float64)
        )
    past = dice.poisson(model.per_hour, (WEEKS, slots // width))
    typical = typical_rates(dice.binomial(past, early).astype(np.float64), past.astype(np.float64))
    reference, past_trials = np.repeat(typical.rates, width), np.repeat(typical.trials / width, width)
    return RateSeries(hits, trials.astype(np.float64), reference, past_trials, typical.dispersion)


def areas(dice: np.random.Generator, model: Model, hours: int, true: float) -> tuple[Floats, Floats]:
    """Return the AUCs of hours and their variances, as the agent takes them from the intervals of its documents."""
    distance = np.sqrt(2) * normal_quantile(true)
    positives = np.maximum(10, dice.binomial(int(model.per_hour), model.ctr, hours))
    values = np.empty(hours)
    variances = np.empty(hours)
    for number, count in enumerate(positives):
        negatives = int(model.per_hour) - count
        below = np.searchsorted(np.sort(dice.normal(0, 1, negatives)), dice.normal(distance, 1, count))
        area = float(below.mean() / negatives)
        interval = interval_of_areas(area, float(count), float(negatives), 0.0)
        values[number], variances[number] = area, ((interval.high - interval.low) / (2 * Z_95)) ** 2
    return values, variances


def normal_quantile(share: float) -> float:
    """Return the quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(share)


def auc_series(dice: np.random.Generator, model: Model, hours: int, fallen: float = 0.75, at: int = -1) -> ValueSeries:
    """Return hours with an AUC of 0.75, which falls to `fallen` in hour `at`, against the medians of the weeks."""
    values, variances = areas(dice, model, hours, 0.75)
    if at >= 0:
        values[at:], variances[at:] = areas(dice, model, hours - at, fallen)
    weeks = [areas(dice, model, hours, 0.75) for _ in range(WEEKS)]
    reference = typical_values(np.array([row[0] for row in weeks]), np.array([row[1] for row in weeks]))
    return ValueSeries(values, variances, *reference, np.ones(hours))


def evidence(series: ComparedSeries, lags: Positions, first: int) -> Floats:
    """Return the highest ratio over all starts, at the end of each stretch from `first` on."""
    return np.concatenate(list(evidence_in_steps(series, lags, first, AT_ONCE)))


def evidence_in_steps(series: ComparedSeries, lags: Positions, first: int, step: int) -> Iterator[Floats]:
    """Yield the evidence of some stretches at a time."""
    for begin in range(first, series.length + 1, step):
        ends = np.arange(begin, min(begin + step, series.length + 1))[:, None] + np.zeros_like(lags)
        starts = np.maximum(ends - lags, 0)
        yield series.log_likelihood_ratio(starts, ends).max(axis=1)


def looks_until_sure(series: ComparedSeries, lags: Positions, first: int, limit: float) -> float:
    """Return after how many looks from `first` on the evidence reaches the limit; infinite if it never does."""
    number = 0
    for ratios in evidence_in_steps(series, lags, first, FEW):
        sure = np.flatnonzero(ratios >= limit)
        if len(sure):
            return float(number + sure[0] + 1)
        number += len(ratios)
    return float("inf")


def firings(ratios: Floats, limit: float) -> int:
    """Return how many firings begin: one ends after three looks in a row below a part of the limit."""
    low = ratios < limit * HELD_FROM
    ends = low[QUIET - 1 :].copy()
    for number in range(QUIET - 1):
        ends &= low[number : number - QUIET + 1]
    number_of_ends = np.concatenate((np.zeros(QUIET - 1, dtype=np.int64), np.cumsum(ends)))
    return len(np.unique(number_of_ends[ratios >= limit]))


@dataclass(frozen=True)
class Chance:
    """False firings of one measure: at its limit, and at a limit where 26 a year are allowed."""

    subject: str
    allowed: float
    years: float
    at_limit: int
    at_low_limit: float


LOW = 26.0


def chances() -> Iterator[Chance]:
    """Yield the false firings of a year without any fall."""
    dice = np.random.default_rng(17)
    run_in = int(LOOK_BACK / SHORTEST)
    slots = int(YEAR / SHORTEST)
    for model in MODELS:
        begun = low = 0
        for _ in range(YEARS):
            ratios = evidence(rates(dice, model, slots + run_in, SLOTS), LAGS, run_in)
            begun += firings(ratios, RATE_LIMIT)
            low += firings(ratios, limit_for(LOW, YEAR / SHORTEST))
        yield Chance(f"rate, {model.words}", FALSE_ALARMS_A_YEAR[RATE], YEARS, begun, low / YEARS)
    lags = np.arange(1, int(OF_SEGMENTS / HOUR) + 1)
    begun = low = 0
    for _ in range(YEARS * SEGMENTS):
        ratios = evidence(rates(dice, Model(150, 0.1), int(YEAR / HOUR), 1), lags, len(lags))
        begun += firings(ratios, SEGMENT_LIMIT)
        low += firings(ratios, limit_for(LOW / SEGMENTS, YEAR / HOUR))
    subject = f"rate, {SEGMENTS} segments of 150 an hour, CTR 10%"
    yield Chance(subject, FALSE_ALARMS_OF_SEGMENTS[RATE], YEARS, begun, low / YEARS)
    lags, begun, low = np.arange(1, int(LOOK_BACK / HOUR) + 1), 0, 0
    for _ in range(YEARS):
        ratios = evidence(auc_series(dice, Model(300, 0.1), int(YEAR / HOUR)), lags, len(lags))
        begun += firings(ratios, AUC_LIMIT)
        low += firings(ratios, limit_for(LOW, YEAR / HOUR))
    yield Chance("AUC, 300 an hour, CTR 10%", FALSE_ALARMS_A_YEAR[AUC], YEARS, begun, low / YEARS)


@dataclass(frozen=True)
class Delay:
    """Hours from a fall until its alert: the median and the 90 % quantile; infinite beyond the look-back."""

    subject: str
    fall: str
    median: float
    late: float


def rate_delays(model: Model, fall: float, days: int = 4) -> Delay:
    """Return how soon a fall of the CTR by this share is noticed; it begins at any moment."""
    dice = np.random.default_rng(23)
    run_in, slots = 3 * RECENT_SLOTS, (3 + days) * RECENT_SLOTS
    lags = LAGS[slots >= LAGS]
    hours = []
    for _ in range(RUNS):
        offset = dice.integers(0, SLOTS)
        series = rates(dice, model, slots, SLOTS, 1 - fall, run_in + offset)
        number = looks_until_sure(series, lags, run_in + offset + 1, RATE_LIMIT)
        # The fall begins within a stretch, on average in its middle: it is counted from the next one on.
        waited = dice.random() * SHORTEST + WAIT
        hours.append(waited / HOUR + number * (SHORTEST / HOUR))
    return Delay(model.words, f"CTR -{fall:.0%}", *np.quantile(hours, [0.5, 0.9], method="inverted_cdf").tolist())


def auc_delays(model: Model, days: int = 3) -> Delay:
    """Return how soon an AUC that falls from 0.75 to 0.60 is noticed, without a look at the clicks."""
    dice = np.random.default_rng(29)
    run_in, lags = 48, np.arange(1, 48 + 24 * days + 1)
    hours = []
    for _ in range(RUNS // 4):
        series = auc_series(dice, model, run_in + 24 * days, 0.6, run_in)
        number = looks_until_sure(series, lags, run_in + 1, AUC_LIMIT)
        hours.append((dice.random() * HOUR + FINAL_WAIT) / HOUR + number)
    return Delay(model.words, "AUC 0.75 to 0.60", *np.quantile(hours, [0.5, 0.9], method="inverted_cdf").tolist())


def run() -> Iterator[Measurement]:
    """Measure power and false alarms, and write the page."""
    delays = [rate_delays(model, fall) for model in MODELS for fall in (0.1, 0.2, 0.3, 0.5, 1.0)] + [
        auc_delays(Model(300, 0.1)),
        auc_delays(Model(3000, 0.1)),
    ]
    by_name = {(row.subject, row.fall): row for row in delays}
    for model, fall, most in ((MODELS[1], "CTR -30%", 2.0), (MODELS[0], "CTR -30%", 24.0)):
        row = by_name[model.words, fall]
        yield at_most(f"{row.fall} is noticed, {row.subject}, 90 % of the runs", row.late, "h", most)
    row = by_name[MODELS[2].words, "CTR -20%"]
    yield at_most(f"{row.fall} is noticed, {row.subject}, median", row.median * 60, "min", 60.0)
    rows = list(chances())
    for entry in rows:
        subject = f"false firings a year, {entry.subject}, where {LOW:g} are allowed"
        yield at_most(subject, entry.at_low_limit, "", LOW)
    yield at_most("false firings a year, all measures and segments of a version: allowed", allowed(), "", 1.0)
    PAGE.write_text(page(delays, rows), "utf-8")


def allowed() -> float:
    """Return the false firings a year that the alerts on a version and its segments may have together."""
    return sum(FALSE_ALARMS_A_YEAR.values()) + sum(FALSE_ALARMS_OF_SEGMENTS.values())


def page(delays: Sequence[Delay], rows: Sequence[Chance]) -> str:
    """Return the page in docs."""
    head = (Path(__file__).parent / "rig" / "alert_power_head.md").read_text("utf-8")
    lines = [head.rstrip(), "", "## How soon", "", "| traffic | fall | median | 90 % within |", "|---|---|---|---|"]
    lines += [f"| {row.subject} | {row.fall} | {_hours(row.median)} | {_hours(row.late)} |" for row in delays]
    lines += [
        "",
        "## How rarely by chance",
        "",
        "| what | allowed a year | seen in | firings | where 26 a year are allowed |",
    ]
    lines += ["|---|---|---|---|---|"]
    lines += [
        f"| {row.subject} | {row.allowed:g} | {row.years:g} years | {row.at_limit} | {row.at_low_limit:.1f} a year |"
        for row in rows
    ]
    lines += [
        "",
        "A firing ends after three looks with less than half of the evidence that the limit asks for. So an excursion",
        "of a small model, whose evidence moves slowly around the limit, is one firing.",
    ]
    return "\n".join(lines) + "\n"


def _hours(hours: float) -> str:
    if not np.isfinite(hours):
        return "more than 4 days"
    return f"{hours * 60:.0f} min" if hours < 3 else f"{hours:.0f} h"
