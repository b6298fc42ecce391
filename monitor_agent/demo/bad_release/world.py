"""The traffic of the scenario, hour by hour: pages of ranked items with their clicks (pure, the same for a seed).

Each hour of each model is drawn by its own generator, so an hour does not depend on the hours before it. The world's
hours have the same numbers whenever it is made; only its dates differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from monitor_agent.demo.bad_release.click_model import (
    EXAMINATION,
    NOISE,
    PAGE_SIZE,
    Catalogue,
    Floats,
    Integers,
    attraction,
    score,
)
from monitor_agent.demo.bad_release.troubles import HOUR, Trouble, troubles_at

SEED = 20191124
HOURS_A_DAY = 24
BUSIEST_HOUR = 15
"""Hour of the shop's day with most visitors."""
WAVE = 0.6
"""How far the busiest hour is above the mean, and the quietest below it."""
END_HOUR = 22
"""The shop's hour at the end of the world: the traffic of each hour is the same whenever the world is made."""
VISITORS = 4_000
CLICK_SECONDS = 40.0
"""Mean time from the answer to a click."""
MOST_CLICK_SECONDS = 1_200.0
MILLISECOND = 1_000_000
"""In nanoseconds."""


@dataclass(frozen=True)
class TrafficOfModel:
    """A model of the world.

    Attributes
    ----------
    versions : the versions; while there are two, each visitor has one of them for good.
    predictions_an_hour : mean over a day.
    scenes : values of the label `scene`.
    response_ms : median time of a request.
    """

    name: str
    version: str
    predictions_an_hour: float
    scenes: tuple[str, ...]
    response_ms: float


MODELS = (
    TrafficOfModel("search", "1", 640.0, ("search", "category"), 18.0),
    TrafficOfModel("recommendation", "4", 170.0, ("home", "cart"), 30.0),
    TrafficOfModel("advertising", "12", 90.0, ("feed", "banner"), 12.0),
)


@dataclass(frozen=True)
class Rollout:
    """A second version that gets a share of a model's visitors from an hour on."""

    model: str
    version: str
    first_hour: int
    share: float


@dataclass(frozen=True)
class RankedPage:
    """One request: the items of a page in the order in which they were shown, and the clicks.

    Attributes
    ----------
    moment : when the request came, UTC.
    scores, features : one for each item; `popularity` and `price` are what the version was given.
    clicks : rank of a clicked item, from 0, and the time from the request to the click.
    duration : of the request, ns.
    """

    model: str
    version: str
    moment: datetime
    visitor: str
    scene: str
    items: tuple[str, ...]
    scores: tuple[float, ...]
    features: tuple[dict[str, float], ...]
    clicks: tuple[tuple[int, timedelta], ...]
    duration: int


@dataclass(frozen=True)
class World:
    """What happens, from a start on.

    Attributes
    ----------
    start : the first moment, a full hour, UTC.
    hours : length.
    """

    catalogue: Catalogue
    start: datetime
    hours: int
    rollout: Rollout
    troubles: tuple[Trouble, ...] = ()
    models: tuple[TrafficOfModel, ...] = MODELS
    seed: int = SEED
    tail: timedelta = field(default=timedelta(minutes=35))

    @property
    def end(self) -> datetime:
        """The end of the last full hour; a short tail of the next hour follows, so that its clicks can come."""
        return self.start + self.hours * HOUR

    @property
    def rollout_start(self) -> datetime:
        """When the second version went live."""
        return self.start + self.rollout.first_hour * HOUR

    def pages(self, hour: int) -> list[RankedPage]:
        """Return the pages of an hour in the order of their times; hour `hours` is the tail."""
        if hour > self.hours or troubles_at(self.troubles, "outage", hour):
            return []
        end = self.hour_end(hour)
        pages = [page for number, model in enumerate(self.models) for page in self._pages_of(number, model, hour)]
        return sorted((page for page in pages if page.moment < end), key=lambda page: page.moment)

    def hour_end(self, hour: int) -> datetime:
        """Return the end of an hour, or of the tail."""
        return self.start + hour * HOUR + (self.tail if hour == self.hours else HOUR)

    def _pages_of(self, number: int, model: TrafficOfModel, hour: int) -> Iterator[RankedPage]:
        dice = np.random.default_rng([self.seed, number, hour])
        count = int(dice.poisson(model.predictions_an_hour * self._traffic(hour) / PAGE_SIZE))
        seconds = np.sort(dice.uniform(0.0, HOUR.total_seconds(), count))
        visitors = dice.integers(0, VISITORS, count)
        scenes = dice.integers(0, len(model.scenes), count)
        candidates = np.argsort(dice.random((count, len(self.catalogue.ids))), axis=1)[:, :PAGE_SIZE]
        durations = model.response_ms * dice.lognormal(0.0, 0.45, count)
        draws = _Draws(dice.standard_normal(candidates.shape), dice.random(candidates.shape), dice)
        in_rollout = self._in_rollout(model, visitors, hour)
        for version, chosen in ((model.version, ~in_rollout), (self.rollout.version, in_rollout)):
            rows = np.flatnonzero(chosen)
            if not len(rows):
                continue
            slow = math.prod(
                trouble.size for trouble in troubles_at(self.troubles, "slow-answers", hour, model.name, version)
            )
            swapped = bool(troubles_at(self.troubles, "swapped-features", hour, model.name, version))
            lists = self._ranked(candidates, visitors, draws, swapped=swapped)
            for row in rows.tolist():
                yield RankedPage(
                    model.name,
                    version,
                    self.start + hour * HOUR + timedelta(microseconds=int(seconds[row] * 1e6)),
                    f"visitor-{visitors[row]}",
                    model.scenes[scenes[row]],
                    tuple(self.catalogue.ids[item] for item in lists.items[row].tolist()),
                    tuple(lists.scores[row].tolist()),
                    lists.features(row),
                    lists.clicks(row),
                    int(durations[row] * slow * MILLISECOND),
                )

    def _traffic(self, hour: int) -> float:
        """Return the traffic of an hour of the world as a share of the mean."""
        of_day = (END_HOUR - self.hours + hour) % HOURS_A_DAY
        return 1.0 + WAVE * math.cos(2 * math.pi * (of_day - BUSIEST_HOUR) / HOURS_A_DAY)

    def _in_rollout(
        self, model: TrafficOfModel, visitors: Integers, hour: int
    ) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        if model.name != self.rollout.model or hour < self.rollout.first_hour:
            return np.zeros(len(visitors), dtype=bool)
        # By a visitor's own number, well mixed: the visitors of both versions do not differ otherwise.
        return (visitors * 2654435761 % 2**32) < self.rollout.share * 2**32

    def _ranked(self, candidates: Integers, visitors: Integers, draws: _Draws, *, swapped: bool) -> _Lists:
        """Return the lists that a version makes of the candidates, and what their visitors click."""
        catalogue = self.catalogue
        popularity, price = catalogue.popularity[candidates], catalogue.price[candidates]
        match = (catalogue.group[candidates] == (visitors % catalogue.groups)[:, None]).astype(float)
        first, second = (price, popularity) if swapped else (popularity, price)
        scores = score(first, second, match)
        order = np.argsort(-scores, axis=1, kind="stable")
        attractions = attraction(popularity, price, match, NOISE * draws.noise)
        clicked = draws.chance < np.take_along_axis(attractions, order, 1) * EXAMINATION
        delays = np.minimum(MOST_CLICK_SECONDS, draws.dice.exponential(CLICK_SECONDS, clicked.shape))
        return _Lists(
            np.take_along_axis(candidates, order, 1),
            np.take_along_axis(scores, order, 1),
            np.take_along_axis(first, order, 1),
            np.take_along_axis(second, order, 1),
            np.take_along_axis(match, order, 1),
            clicked,
            delays,
        )


@dataclass(frozen=True)
class _Draws:
    """What chance decides about the pages of an hour; arrays of shape (pages, PAGE_SIZE)."""

    noise: Floats
    chance: Floats
    dice: np.random.Generator


@dataclass(frozen=True)
class _Lists:
    """Ranked lists; arrays of shape (pages, PAGE_SIZE) in the order of the ranks."""

    items: Integers
    scores: Floats
    popularity: Floats
    price: Floats
    match: Floats
    clicked: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    delays: Floats

    def features(self, row: int) -> tuple[dict[str, float], ...]:
        values = zip(*(array[row].tolist() for array in (self.popularity, self.price, self.match)), strict=True)
        return tuple({"popularity": first, "price": second, "match": third} for first, second, third in values)

    def clicks(self, row: int) -> tuple[tuple[int, timedelta], ...]:
        ranks: Sequence[int] = np.flatnonzero(self.clicked[row]).tolist()
        return tuple((rank, timedelta(seconds=float(self.delays[row][rank]))) for rank in ranks)
