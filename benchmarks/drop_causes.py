"""How often `explain-drop` names the planted cause first, and how often it invents one on a quiet day.

A seeded week: 200 categories of unequal size, 8 scenes, 10 positions, clicks at 10 %, each with a rate of its own that
differs a little from day to day. Each fault lowers the rate of one category, or of one category in one scene, by a size
that an alert on this part would find. Nothing is sent to Elasticsearch: the same functions get the counts.

The same again for a fall that is two hours young, of 500,000 predictions: on both sides, only the clicks count that
came within 5 minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.measurement import Measurement, at_least, at_most
from monitor_agent.root_causes.causes import Changes, ComparedValue, findings
from monitor_agent.root_causes.value_sums import MEASURES, POSITIVE_RATE, Change, share, total
from monitor_agent.vocabulary.prediction_kinds import BINARY

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

FAULTS = QUIET_DAYS = 200
CATEGORIES, SCENES, POSITIONS = 200, 8, 10
PREDICTIONS = 2_000_000
"""Predictions of a day."""
MEAN_RATE, SPREAD, DAILY = 0.1, 0.4, 0.03
"""The mean rate; standard deviations of the logarithm of a value's odds, between values and between days."""
ALERTED = (6.0, 12.0)
"""Standard errors by which the positives of the part fall: an alert with one false firing a year needs about five."""
LEAST_FIRST, MOST_INVENTED = 0.9, 0.05
MEASURE = MEASURES[BINARY][POSITIVE_RATE]
CATEGORY, SCENE, POSITION = "labels.category", "labels.scene", "item.position"
PAIR = f"{CATEGORY} x {SCENE}"


@dataclass(frozen=True)
class CountedTime:
    """What is counted of both sides.

    Attributes
    ----------
    predictions : their expected number.
    clicks : the share of the clicks that count.
    """

    name: str
    predictions: float
    clicks: float


TIMES = (
    CountedTime("a day, final labels", PREDICTIONS, 1.0),
    CountedTime("2 h, clicks within 5m", PREDICTIONS / 4, 0.6),
)


@dataclass(frozen=True)
class Fault:
    """A fall of the rate in one category (`scene` is None), or in one category and scene."""

    category: int
    scene: int | None

    @property
    def name(self) -> tuple[str, str]:
        """The dimension and the value that a finding must name."""
        if self.scene is None:
            return CATEGORY, str(self.category)
        return PAIR, f"{self.category} x {self.scene}"


class Shop:
    """The seeded world: shares and rates of categories, scenes and positions."""

    def __init__(self, dice: np.random.Generator, counted: CountedTime) -> None:
        self._dice = dice
        self._counted = counted
        weights = 1 / np.arange(1, CATEGORIES + 1) ** 0.6
        shares = np.einsum("c,s,p->csp", weights, dice.dirichlet(np.full(SCENES, 5.0)), np.ones(POSITIONS))
        self.shares = shares / shares.sum()
        self._odds = (
            np.log(MEAN_RATE / (1 - MEAN_RATE))
            + dice.normal(0, SPREAD, (CATEGORIES, 1, 1))
            + dice.normal(0, SPREAD, (1, SCENES, 1))
            - 0.1 * (np.arange(POSITIONS) - POSITIONS / 2)
        )

    def fault(self) -> tuple[Fault, Floats]:
        """Return a fault, and the share of its rate that each cell keeps."""
        dice = self._dice
        scene = int(dice.integers(SCENES)) if dice.random() < 0.5 else None
        positives = self._counted.predictions * self._counted.clicks * self.shares / (1 + np.exp(-self._odds))
        for _ in range(10_000):
            score, fault = dice.uniform(*ALERTED), Fault(int(dice.integers(CATEGORIES)), scene)
            cells = np.zeros_like(self.shares, dtype=bool)
            cells[fault.category, slice(None) if scene is None else scene] = True
            # Counts b before and f b after are this score apart if b (1 - f)^2 = score^2 (1 + f).
            unit = score**2 / positives[cells].sum()
            if unit < 1:
                kept_share = 1 + unit / 2 - np.sqrt(2 * unit + unit**2 / 4)
                return fault, np.where(cells, kept_share, 1.0)
        raise RuntimeError("no part of the world is large enough for an alert")

    def side(self, kept_share: Floats | float = 1.0) -> tuple[Counts, Counts]:
        """Return the numbers of predictions and positives by category, scene and position."""
        noise = self._dice.normal(0, DAILY, (CATEGORIES, 1, 1))
        rates = kept_share * self._counted.clicks / (1 + np.exp(-(self._odds + noise)))
        predictions = self._dice.poisson(self._counted.predictions * self.shares)
        return predictions, self._dice.binomial(predictions, rates)


def changes_of(before: tuple[Counts, Counts], after: tuple[Counts, Counts]) -> Changes:
    """Return the counts by dimension, as Elasticsearch gives them."""
    axes_of = {CATEGORY: (0,), SCENE: (1,), POSITION: (2,), PAIR: (0, 1)}
    changes: dict[str, dict[str, Change]] = {}
    for dimension, axes in axes_of.items():
        summed = tuple(axis for axis in range(3) if axis not in axes)
        arrays = [array.sum(axis=summed) for pair in (before, after) for array in pair]
        changes[dimension] = {}
        for index in np.ndindex(arrays[0].shape):
            n_before, hits_before, n_after, hits_after = (int(array[index]) for array in arrays)
            changes[dimension][" x ".join(map(str, index))] = Change(
                share(hits_before, n_before - hits_before), share(hits_after, n_after - hits_after)
            )
    return changes


def run() -> Iterator[Measurement]:
    """Yield the share of faults whose cause stands first, and of quiet days with an invented cause."""
    for counted in TIMES:
        yield from _run(counted)


def _run(counted: CountedTime) -> Iterator[Measurement]:
    first = {"category": 0, "pair": 0}
    planted = dict(first)
    for seed in range(FAULTS):
        shop = Shop(np.random.default_rng(seed), counted)
        fault, kept_share = shop.fault()
        kind = "category" if fault.scene is None else "pair"
        planted[kind] += 1
        rows = _findings(changes_of(shop.side(), shop.side(kept_share)))
        first[kind] += rows[0].is_a_cause and (rows[0].dimension, rows[0].value) == fault.name
    invented = 0
    for seed in range(QUIET_DAYS):
        shop = Shop(np.random.default_rng(10_000 + seed), counted)
        invented += _findings(changes_of(shop.side(), shop.side()))[0].is_a_cause
    yield at_least(f"{counted.name}: cause first", sum(first.values()) / FAULTS, "", LEAST_FIRST)
    for kind, number in planted.items():
        yield Measurement(f"{counted.name}: cause first, faults in a {kind}", first[kind] / number, "")
    yield at_most(f"{counted.name}: quiet, an invented cause", invented / QUIET_DAYS, "", MOST_INVENTED)


def _findings(changes: Changes) -> list[ComparedValue]:
    return findings(changes, total(changes[SCENE].values()), MEASURE)
