"""The figures of the servers, and what they must reach beside each other (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

PRODUCT = "this server"
WITHOUT_EVENTS = "this server, without events"
FLASK, LIT_SERVE, BENTO_ML = "plain Flask", "LitServe", "BentoML"
DEMO, MINILM = "demo", "MiniLM's size"
Key = tuple[str, str, str]
"""Model, work and server."""


@dataclass(frozen=True)
class Work:
    """What the clients send for `seconds`: `clients` at a time, `size` instances a request."""

    name: str
    clients: int
    size: int
    seconds: float


SINGLES = Work("singles, 64 clients", 64, 1, 3.0)
BODIES = Work("bodies of 64 instances, 8 clients", 8, 64, 2.0)
ONE_CLIENT = Work("singles, one client", 1, 1, 1.5)
WORKS = {DEMO: (SINGLES, BODIES, ONE_CLIENT), MINILM: (SINGLES, ONE_CLIENT)}


@dataclass(frozen=True)
class Figure:
    """One measurement of one server.

    Attributes
    ----------
    rate : requests a second.
    cpu : processor time of all processes of the server for a request, us.
    middle, high : median and 99th percentile of the time of a request, ms.
    """

    rate: float
    cpu: float
    middle: float
    high: float


@dataclass(frozen=True)
class Results:
    """All that a run has measured, each with one value a round.

    Attributes
    ----------
    figures : by model, work and server.
    options : the chosen options of a server, by the same key.
    bare_rates : instances a second of the bare signature of the demo's model, in bodies of 64.
    pause : the longest collection of reference cycles, ms.
    full_pause : the longest collection of everything, ms; the server makes one only after it has unloaded a version.
    """

    figures: Mapping[Key, Sequence[Figure]]
    options: Mapping[Key, str]
    bare_rates: Sequence[float]
    pause: float
    full_pause: float

    def of(self, server: str, work: Work = SINGLES, model: str = DEMO) -> Sequence[Figure]:
        """Return the figures of a server; none if it was not measured."""
        return self.figures.get((model, work.name, server), ())


@dataclass(frozen=True)
class Comparison:
    """A ratio or a figure that has a bar.

    Attributes
    ----------
    bar : what it must reach; `is_least` says from which side.
    moonshot : what would be a great deal better; None = nothing is named.
    """

    subject: str
    value: float
    unit: str
    bar: float
    moonshot: float | None = None
    is_least: bool = True

    @property
    def is_met(self) -> bool:
        """Whether it reaches the bar."""
        return self.value >= self.bar if self.is_least else self.value <= self.bar


def comparisons(results: Results) -> list[Comparison]:
    """Return every bar whose servers were measured; a ratio is the median of the ratios of the rounds."""
    rows = [
        _rates(results, "rate of singles, 64 clients, against plain Flask", FLASK, 2.0, 4.0),
        _rates(results, "rate of singles, 64 clients, against LitServe", LIT_SERVE, 1.8, 3.0),
        _rates(results, "rate of singles, 64 clients, against BentoML", BENTO_ML, 3.5, 6.0),
        _ratio(
            "processor time of a single, 64 clients, against plain Flask",
            [figure.cpu for figure in results.of(PRODUCT)],
            [figure.cpu for figure in results.of(FLASK)],
            (0.55, 0.2),
            is_least=False,
        ),
        _rates(results, "rate of bodies of 64 against plain Flask", FLASK, 1.0, 2.5, work=BODIES),
        _ratio(
            "rate of bodies of 64, share of the bare signature's",
            [figure.rate * BODIES.size for figure in results.of(PRODUCT, BODIES)],
            results.bare_rates,
            (0.75, 0.95),
        ),
        _ratio(
            "median time of a single, one client, against plain Flask",
            [figure.middle for figure in results.of(PRODUCT, ONE_CLIENT)],
            [figure.middle for figure in results.of(FLASK, ONE_CLIENT)],
            (0.8, 0.4),
            is_least=False,
        ),
        _ratio(
            "99th percentile of the time of a single, 64 clients, against the median",
            [figure.high for figure in results.of(PRODUCT)],
            [figure.middle for figure in results.of(PRODUCT)],
            (2.5, None),
            is_least=False,
        ),
        Comparison("longest collection of reference cycles under load", results.pause, "ms", 10.0, is_least=False),
        _rates(results, "MiniLM's size: rate of singles, 64 clients, against plain Flask", FLASK, 1.6, 5.0, MINILM),
        _rates(results, "rate of singles, 64 clients, against the same without events", WITHOUT_EVENTS, 0.95, 0.98),
        _rates(
            results, "rate of bodies of 64 against the same without events", WITHOUT_EVENTS, 0.95, 0.98, work=BODIES
        ),
    ]
    return [row for row in rows if row is not None]


def _rates(
    results: Results, subject: str, rival: str, bar: float, moonshot: float, model: str = DEMO, *, work: Work = SINGLES
) -> Comparison | None:
    rates, baselines = ([figure.rate for figure in results.of(server, work, model)] for server in (PRODUCT, rival))
    return _ratio(subject, rates, baselines, (bar, moonshot))


def _ratio(
    subject: str,
    values: Sequence[float],
    baselines: Sequence[float],
    bars: tuple[float, float | None],
    *,
    is_least: bool = True,
) -> Comparison | None:
    if not values or not baselines:
        return None
    ratio = median(value / baseline for value, baseline in zip(values, baselines, strict=True))
    return Comparison(subject, ratio, "times", bars[0], bars[1], is_least)
