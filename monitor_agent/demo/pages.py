"""Days and pages of a click log: what is replayed between two cycles of the agent, and in one call of `/predict`.

The shop showed pages of three items; the log's sample holds single impressions of them, hardly ever two of one page
(19 of 20,000 share a time). So pages are put together anew: an impression joins the oldest page of the same hour and
the same kind of visitor that has its place free. Everything about single impressions is as in the log; ranking metrics
are right for these pages, but say nothing about those that the shop showed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from monitor_agent.demo.open_bandit import SLOTS, Impression

Page = tuple[Impression, ...]
"""The impressions of one page, in event-time order."""


def days(impressions: Iterable[Impression]) -> Iterator[list[Impression]]:
    """Yield the impressions of each day (UTC) that has any; they are given in event-time order."""
    for _, day in groupby(impressions, key=lambda each: each.timestamp.date()):
        yield list(day)


def pages(impressions: Iterable[Impression]) -> Iterator[Page]:
    """Yield the impressions, given in event-time order, as pages: each when it is full, or when its hour is over."""
    for _, hour in groupby(impressions, key=lambda each: each.timestamp.replace(minute=0, second=0, microsecond=0)):
        unfinished: dict[str, list[list[Impression]]] = {}
        for each in hour:
            started = unfinished.setdefault(each.visitor, [])
            page = next((page for page in started if each.position not in {other.position for other in page}), None)
            if page is None:
                started.append([each])
                continue
            page.append(each)
            if len(page) == len(SLOTS):
                started.remove(page)
                yield tuple(page)
        yield from (tuple(page) for started in unfinished.values() for page in started)
