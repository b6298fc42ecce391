"""The two lengths of the scenario: a fortnight with all trouble, and a day and a half with the bad release only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor_agent.demo.bad_release.click_model import Catalogue
from monitor_agent.demo.bad_release.troubles import HOUR, Trouble
from monitor_agent.demo.bad_release.world import MODELS, SEED, Rollout, TrafficOfModel, World

UNTIL_END = 10_000
"""Hours of a trouble that lasts until the end of the world."""
TAIL = timedelta(minutes=35)
"""After the last full hour: so long that its clicks have come and its window is final."""


@dataclass(frozen=True)
class Plan:
    """What happens in the scenario, in hours from its start.

    Attributes
    ----------
    live : stretches of hours, first and last one, in which the agent runs a cycle every hour; it computes the hours
        before a stretch in one cycle.
    """

    hours: int
    live: tuple[tuple[int, int], ...]
    rollout: Rollout
    troubles: tuple[Trouble, ...]
    models: tuple[TrafficOfModel, ...] = MODELS
    seed: int = SEED

    def is_live(self, hour: int) -> bool:
        """Return whether the agent runs a cycle in an hour, and evaluates the alerts."""
        return any(first <= hour <= last for first, last in self.live)

    def world(self, catalogue: Catalogue, now: datetime) -> World:
        """Return the world that ends now: its last window is final by then."""
        end = (now - TAIL).replace(minute=0, second=0, microsecond=0)
        start = end - self.hours * HOUR
        return World(catalogue, start, self.hours, self.rollout, self.troubles, self.models, self.seed, TAIL)


def _bad_release(first_hour: int) -> tuple[Rollout, Trouble]:
    """Return a second version of the search that gets half of the visitors, and its broken features."""
    rollout = Rollout("search", "2", first_hour, share=0.5)
    return rollout, Trouble("swapped-features", first_hour, UNTIL_END, "worse-version", model="search", version="2")


def _fortnight() -> Plan:
    rollout, broken = _bad_release(276)
    troubles = (
        Trouble("outage", 198, 3, "no-data"),
        Trouble("slow-answers", 204, 3, "response-time", size=14.0, model="recommendation"),
        broken,
        Trouble("lost-lines", 281, 1, "lost-lines", size=180, model="search"),
    )
    hours = 14 * 24
    return Plan(hours, ((198, 206), (214, 218), (276, 284), (hours - 1, hours)), rollout, troubles)


def _day_and_a_half() -> Plan:
    rollout, broken = _bad_release(24)
    return Plan(36, ((23, 29), (34, 36)), rollout, (broken,), MODELS[:1])


FORTNIGHT = _fortnight()
DAY_AND_A_HALF = _day_and_a_half()
