"""Days and pages of a click log: a day is replayed between two cycles of the agent, a page is ranked as one list.

The shop showed pages of three items; the log's sample holds single impressions of them, hardly ever two of one page
(19 of 20,000 share a time). So pages are put together anew: an impression joins the oldest page of the same hour and
the same kind of visitor on which its place is free. Single impressions are as in the log. Ranking metrics are right for
the order of these pages, but they describe no page that the shop showed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from monitor_agent.demo.open_bandit import SLOTS, Impression

Page = list[Impression]
"""The impressions of one page, in event-time order; no two of them in the same place."""


class PagePosition(NamedTuple):
    """An impression's place on its page: `rank` 1 is the leftmost of its `size` impressions."""

    page: str
    rank: int
    size: int


def by_day(impressions: Iterable[Impression]) -> Iterator[list[Impression]]:
    """Yield the impressions of each day (UTC), without empty days; they must be in event-time order."""
    for _, day in groupby(impressions, key=lambda impression: impression.timestamp.date()):
        yield list(day)


def with_page_positions(impressions: Iterable[Impression]) -> Iterator[tuple[Impression, PagePosition]]:
    """Yield the impressions in their event-time order, each with its place on its page."""
    for hour, group in groupby(impressions, key=lambda impression: f"{impression.timestamp:%Y-%m-%dT%H}"):
        of_hour = list(group)
        positions: dict[int, PagePosition] = {}
        for number, page in enumerate(_pages(of_hour), start=1):
            for rank, impression in enumerate(sorted(page, key=lambda impression: impression.position), start=1):
                positions[id(impression)] = PagePosition(f"{hour}-{number}", rank, len(page))
        yield from ((impression, positions[id(impression)]) for impression in of_hour)


def _pages(impressions: Iterable[Impression]) -> list[Page]:
    unfinished: dict[str, list[Page]] = {}
    pages: list[Page] = []
    for impression in impressions:
        started = unfinished.setdefault(impression.visitor, [])
        page = next((page for page in started if impression.position not in {item.position for item in page}), None)
        if page is None:
            page = []
            started.append(page)
            pages.append(page)
        page.append(impression)
        if len(page) == len(SLOTS):
            started.remove(page)
    return pages
