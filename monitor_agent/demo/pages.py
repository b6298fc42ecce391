"""Days and pages of a click log: what is replayed between two cycles of the agent, and which items were ranked as one.

The shop showed pages of three items; the log's sample holds single impressions of them, hardly ever two of one page
(19 of 20,000 share a time). So pages are put together anew: an impression joins the oldest page of the same hour and
the same kind of visitor that has its place free. Everything about single impressions is as in the log; ranking metrics
are right for the order of these pages, but say nothing about those that the shop showed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from monitor_agent.demo.open_bandit import SLOTS, Impression

Page = list[Impression]
"""The impressions of one page, in event-time order; no two of them in the same place."""


class Place(NamedTuple):
    """An impression's place on its page: `rank` 1 is the leftmost of its `size` impressions."""

    page: str
    rank: int
    size: int


def days(impressions: Iterable[Impression]) -> Iterator[list[Impression]]:
    """Yield the impressions of each day (UTC) that has any; they are given in event-time order."""
    for _, day in groupby(impressions, key=lambda each: each.timestamp.date()):
        yield list(day)


def placed(impressions: Iterable[Impression]) -> Iterator[tuple[Impression, Place]]:
    """Yield the impressions in the event-time order that they are given in, each with its place."""
    for hour, given in groupby(impressions, key=lambda each: f"{each.timestamp:%Y-%m-%dT%H}"):
        together = list(given)
        places: dict[int, Place] = {}
        for number, page in enumerate(_pages(together), start=1):
            for rank, each in enumerate(sorted(page, key=lambda each: each.position), start=1):
                places[id(each)] = Place(f"{hour}-{number}", rank, len(page))
        yield from ((each, places[id(each)]) for each in together)


def _pages(impressions: Iterable[Impression]) -> list[Page]:
    unfinished: dict[str, list[Page]] = {}
    pages: list[Page] = []
    for each in impressions:
        started = unfinished.setdefault(each.visitor, [])
        page = next((page for page in started if each.position not in {other.position for other in page}), None)
        if page is None:
            page = []
            started.append(page)
            pages.append(page)
        page.append(each)
        if len(page) == len(SLOTS):
            started.remove(page)
    return pages
