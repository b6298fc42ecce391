"""The segments that a model's metrics are split by: all, each kept value of a label, and `other`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.contracts.performance import OTHER


@dataclass(frozen=True)
class Segment:
    """One segment.

    Attributes
    ----------
    name : as documents tell it; empty for a part that is counted only as a part of all.
    labels : the labels that it stands for.
    query : the filter of its predictions.
    part_of_all : whether it is one of those that make up all predictions, each in exactly one of them.
    """

    name: str
    labels: Mapping[str, str]
    query: dict[str, Any]
    part_of_all: bool = False


EVERYTHING = Segment("", {}, {"match_all": {}}, part_of_all=True)


def segments(kept: Mapping[str, Sequence[str]]) -> list[Segment]:
    """Return the segments of a model that are counted; the segment `all` is made of those of the first label.

    Parameters
    ----------
    kept : label -> the values that have a segment of their own.

    Predictions without the label are in none of its named segments, so that those can add up to less than all. A
    prediction has one value of a label at most.
    """
    found: list[Segment] = []
    for label, values in kept.items():
        field, first = f"labels.{label}", not found
        found += [Segment(f"{field}={value}", {label: value}, {"term": {field: value}}, first) for value in values]
        rest = {"bool": {"filter": [{"exists": {"field": field}}], "must_not": [{"terms": {field: list(values)}}]}}
        found.append(Segment(f"{field}={OTHER}", {label: OTHER}, rest, first))
        if first:
            found.append(Segment("", {}, {"bool": {"must_not": [{"exists": {"field": field}}]}}, first))
    return found or [EVERYTHING]


def kept_by(found: Iterable[Segment]) -> dict[str, list[str]]:
    """Return label -> the values that have a segment of their own, as `segments` was told.

    >>> kept_by(segments({"scene": ["ad", "search"]}))
    {'scene': ['ad', 'search']}
    """
    kept: dict[str, list[str]] = {}
    for segment in found:
        for label, value in segment.labels.items():
            kept.setdefault(label, []).extend([value] if value != OTHER else [])
    return kept


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
