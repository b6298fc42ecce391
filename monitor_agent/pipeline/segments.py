"""The segments that a model's metrics are split by: all, each selected value of a label, and `other` (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitor_agent.contracts.performance import OTHER


@dataclass(frozen=True)
class Segment:
    """One segment.

    Attributes
    ----------
    name : the segment's name in documents; empty if it is counted only to make up `all`.
    labels : the label values that it stands for.
    query : the filter of its predictions.
    part_of_all : whether it is one of the segments that make up `all`: each prediction is in exactly one of them.
    """

    name: str
    labels: Mapping[str, str]
    query: dict[str, Any]
    part_of_all: bool = False


EVERYTHING = Segment("", {}, {"match_all": {}}, part_of_all=True)


def segments(label_values: Mapping[str, Sequence[str]]) -> list[Segment]:
    """Return the segments of a model that are counted; the segment `all` is made of the segments of the first label.

    Parameters
    ----------
    label_values : label -> the values that have a segment of their own.

    Predictions without the label are in none of its named segments, so the named segments can add up to less than all.
    A prediction with a list of values is in several segments: see `disjoint`.
    """
    counted: list[Segment] = []
    for label, values in label_values.items():
        field, first = f"labels.{label}", not counted
        counted += [Segment(f"{field}={value}", {label: value}, {"term": {field: value}}, first) for value in values]
        remaining = {"bool": {"filter": [{"exists": {"field": field}}], "must_not": [{"terms": {field: list(values)}}]}}
        counted.append(Segment(f"{field}={OTHER}", {label: OTHER}, remaining, first))
        if first:
            counted.append(Segment("", {}, {"bool": {"must_not": [{"exists": {"field": field}}]}}, first))
    return counted or [EVERYTHING]


def disjoint(counted: Sequence[Segment]) -> list[Segment]:
    """Return the same segments, with each prediction in only the first one of those that make up `all`.

    These queries take longer, and few models log a list of values as one label.
    """
    separate: list[Segment] = []
    earlier: list[dict[str, Any]] = []
    for segment in counted:
        query = {"bool": {"filter": [segment.query], "must_not": list(earlier)}}
        separate.append(replace(segment, query=query) if segment.part_of_all and earlier else segment)
        if segment.part_of_all:
            earlier.append(segment.query)
    return separate


def counts_twice(counted: Sequence[Segment], sizes: Sequence[int], total: int) -> bool:
    """Return whether a prediction is in several of the segments that make up `all`: its label is a list of values.

    Parameters
    ----------
    sizes : the number of predictions in each segment.
    total : the number of predictions.
    """
    return sum(size for segment, size in zip(counted, sizes, strict=True) if segment.part_of_all) > total


def label_values_of(segments_of_model: Iterable[Segment]) -> dict[str, list[str]]:
    """Return label -> the values that have a segment of their own: the argument that `segments` got.

    >>> label_values_of(segments({"scene": ["ad", "search"]}))
    {'scene': ['ad', 'search']}
    """
    label_values: dict[str, list[str]] = {}
    for segment in segments_of_model:
        for label, value in segment.labels.items():
            label_values.setdefault(label, []).extend([value] if value != OTHER else [])
    return label_values


def selected_values(stored: Sequence[str], frequent: Iterable[str], cap: int) -> list[str]:
    """Return the values of a label that get a segment of their own: the stored ones, and new ones while there is room.

    A selected value stays selected, so that its windows stay comparable. The value `other` is never selected.

    Parameters
    ----------
    stored : values that were selected before.
    frequent : values that predictions have now, most frequent first.
    cap : the greatest number of values.

    >>> selected_values(["a"], ["c", "a", "other", "b"], cap=2)
    ['a', 'c']
    """
    selected = list(stored)
    for value in frequent:
        if len(selected) >= cap:
            break
        if value not in selected and value != OTHER:
            selected.append(value)
    return selected
