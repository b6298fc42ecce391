"""Small worlds of the scenario `bad-release` for tests."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache

from monitor_agent.demo import open_bandit
from monitor_agent.demo.bad_release.click_model import Catalogue
from monitor_agent.demo.bad_release.troubles import Trouble
from monitor_agent.demo.bad_release.world import MODELS, RankedPage, Rollout, World

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
RELEASE_HOUR = 6
ROLLOUT = Rollout("search", "2", RELEASE_HOUR, share=0.5)
BROKEN = Trouble("swapped-features", RELEASE_HOUR, 100, "worse-version", model="search", version="2")


@lru_cache
def catalogue() -> Catalogue:
    """Return the items of the log that comes with the product."""
    return Catalogue.of(open_bandit.load("all", open_bandit.BUNDLED))


def world(*troubles: Trouble, start: datetime = START, hours: int = 24, seed: int = 1) -> World:
    """Return a world of a day."""
    return World(catalogue(), start, hours, ROLLOUT, troubles, MODELS, seed, timedelta(minutes=35))


def pages_of(simulated: World, model: str, version: str, first_hour: int = 0) -> list[RankedPage]:
    """Return the pages of a version from an hour on."""
    pages = [page for hour in range(first_hour, simulated.hours) for page in simulated.pages(hour)]
    return [page for page in pages if (page.model, page.version) == (model, version)]


def click_rate(pages: list[RankedPage]) -> float:
    """Return the clicks of pages as a share of their items."""
    return sum(len(page.clicks) for page in pages) / sum(len(page.items) for page in pages)
