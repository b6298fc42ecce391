"""The expected ranked lists, computed item by item from the rules alone: slow, plain, no import of the agent.

The rules: an item belongs to the first-ranked item (rank 1, not in shadow) of its model and list id that is nearest in
time, at most half an hour away. A list belongs to the window, version and segments of its first-ranked item. It counts
once this item is older than the attribution window, or at once if this item was not shown. A list with a click is
judged if all clicked items are mature. A list without a click is judged if the label of the first-ranked item is known.
Clicked items without a first-ranked item are lists that are not judged; such a list belongs to its earliest such item.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LONGEST = 30 * 60 * 1000
"""The longest time between the first-ranked item of a list and another item of it, ms."""

ListKind = tuple[int, ...] | str
"""The clicked ranks of a judged list, or the reason why a list is not judged."""


@dataclass(frozen=True)
class SeenItem:
    """An item of a list, at one moment.

    Attributes
    ----------
    event : the prediction.
    at : its time, ms.
    was_displayed, is_old : whether it was shown; whether it is older than the attribution window.
    label : 1, 0 or None, whether or not it is old.
    """

    event: Mapping[str, Any]
    at: int
    was_displayed: bool
    is_old: bool
    label: int | None

    @property
    def list_id(self) -> str:
        """The id of the list."""
        identifier: str = self.event["ranking"]["id"]
        return identifier

    @property
    def rank(self) -> int:
        """The place in the list."""
        place: int = self.event["ranking"]["rank"]
        return place

    @property
    def is_first(self) -> bool:
        """Whether the item begins a list."""
        return self.rank == 1 and not self.event["prediction"].get("shadow")

    @property
    def is_clicked(self) -> bool:
        """Whether the item was shown and clicked."""
        return self.was_displayed and self.label == 1


def milliseconds(moment: datetime) -> int:
    """Return whole milliseconds: Elasticsearch compares no finer times."""
    return math.floor(moment.timestamp() * 1000)


def ranked_lists(items: Sequence[SeenItem]) -> Iterator[tuple[Mapping[str, Any], ListKind]]:
    """Yield each list of a model: the prediction that decides to which window it belongs, and what it counts as."""
    firsts = [item for item in items if item.is_first]
    clicked: dict[int, list[SeenItem]] = {id(first): [] for first in firsts}
    loose: list[SeenItem] = []
    for item in items:
        near = [first for first in firsts if first.list_id == item.list_id and abs(first.at - item.at) <= LONGEST]
        if item.is_clicked and near:
            clicked[id(min(near, key=lambda first: _distance(first, item)))].append(item)
        elif item.is_clicked and item.is_old:
            loose.append(item)
    for first in firsts:
        clicks = clicked[id(first)]
        if clicks and (first.is_old or not first.was_displayed):
            ranks = tuple(sorted({item.rank for item in clicks}))
            yield first.event, ranks if all(item.is_old for item in clicks) else "immature_click"
        elif first.is_old and first.was_displayed:
            yield first.event, "unknown_label" if first.label is None else ()
    loose.sort(key=lambda item: (item.at, item.rank, item.event["event"]["id"]))
    for number, item in enumerate(loose):
        earlier = [other for other in loose[:number] if other.list_id == item.list_id]
        if not any(item.at - other.at <= LONGEST for other in earlier):
            yield item.event, "no_first_item"


def _distance(first: SeenItem, item: SeenItem) -> tuple[object, ...]:
    of_version = first.event["model"]["version"] == item.event["model"]["version"]
    return (abs(first.at - item.at), first is not item, not of_version, first.at, first.event["event"]["id"])


def list_fields(lists: Counter[ListKind]) -> dict[str, Any]:
    """Return the fields of a document about its ranked lists."""
    judged = {kind: count for kind, count in lists.items() if isinstance(kind, tuple)}
    clicked = [kind for kind, count in judged.items() if kind for _ in range(count)]
    reasons = {kind: count for kind, count in lists.items() if isinstance(kind, str)}
    total = sum(judged.values())

    def mean(values: Sequence[float]) -> float | None:
        return math.fsum(values) / len(values) if values else None

    return {
        "ranked_requests": total,
        "clicked_requests": len(clicked),
        "requests_not_judged": sum(reasons.values()),
        "requests_not_judged_reasons": sorted(reasons),
        "requests_without_click": 1 - len(clicked) / total if total else None,
        "mrr": mean([1 / ranks[0] for ranks in clicked]),
        "ndcg_at_5": mean([_dcg([rank for rank in ranks if rank <= 5]) / _best_dcg(ranks, 5) for ranks in clicked]),
        "map_at_5": mean([_precisions(ranks, 5) / min(5, len(ranks)) for ranks in clicked]),
    }


def _dcg(ranks: Sequence[int]) -> float:
    return sum(1 / math.log2(rank + 1) for rank in ranks)


def _best_dcg(ranks: Sequence[int], last: int) -> float:
    return _dcg(range(1, min(last, len(ranks)) + 1))


def _precisions(ranks: Sequence[int], last: int) -> float:
    return sum(number / rank for number, rank in enumerate(ranks, start=1) if rank <= last)
