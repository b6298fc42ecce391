"""The segments that a model's metrics are split by: all, each kept value of a label, and `other`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.contracts.performance import ALL_SEGMENT, OTHER


@dataclass(frozen=True)
class Segment:
    """One segment: its name, the labels that it stands for, and the filter of its predictions."""

    name: str
    labels: Mapping[str, str]
    query: dict[str, Any]


EVERYTHING = Segment(ALL_SEGMENT, {}, {"match_all": {}})


def segments(kept: Mapping[str, Sequence[str]]) -> list[Segment]:
    """Return the segments of a model.

    Parameters
    ----------
    kept : label -> the values that have a segment of their own.

    Predictions without the label are in none of its segments, so that its segments can add up to less than all.
    """
    found = [EVERYTHING]
    for label, values in kept.items():
        field = f"labels.{label}"
        found += [Segment(f"{field}={value}", {label: value}, {"term": {field: value}}) for value in values]
        rest = {"bool": {"filter": [{"exists": {"field": field}}], "must_not": [{"terms": {field: list(values)}}]}}
        found.append(Segment(f"{field}={OTHER}", {label: OTHER}, rest))
    return found


def keep(known: Sequence[str], seen: Iterable[str], cap: int) -> list[str]:
    """Return the kept values of a label: those known, and, while there is room, those seen.

    A value once kept stays, so that its windows stay comparable; `other` itself is never kept.

    >>> keep(["a"], ["c", "a", "other", "b"], cap=2)
    ['a', 'c']
    """
    kept = list(known)
    for value in seen:
        if len(kept) >= cap:
            break
        if value not in kept and value != OTHER:
            kept.append(value)
    return kept
