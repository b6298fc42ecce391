"""Searches that differ only in what they compute, as one search; its response as one for each of them (pure).

Many panels of a dashboard read the same documents, and many of them in the same groups. Elasticsearch then finds and
groups them once, and computes each sum once. All values stay as they were: only the names of the aggregations change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.kibana.searches import SearchRequest, SearchResponse

_PERCENTILES = "percentiles"
_WITH_BUCKETS = ("terms", "date_histogram", "range", "filters", "filter")
_PLAIN = ("key", "key_as_string", "doc_count", "from", "from_as_string", "to", "to_as_string")
"""What a bucket holds beside its aggregations."""

_Aggregations = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _Reading:
    """Where the joined response holds an aggregation of one search: its name there, and what is inside of it.

    Attributes
    ----------
    percents : the percentiles that the search asks for; empty if it asks for none.
    buckets : whether it has buckets, or is one; another search may compute more in them.
    """

    name: str
    inner: Mapping[str, _Reading]
    percents: tuple[float, ...]
    buckets: bool


@dataclass(frozen=True)
class JoinedSearches:
    """Searches as fewer ones.

    Attributes
    ----------
    requests : the joined searches.
    numbers : for each original search, the number of the joined one that holds its response.
    """

    requests: tuple[SearchRequest, ...]
    numbers: tuple[int, ...]
    _readings: tuple[Mapping[str, _Reading], ...]

    def response(self, place: int, joined: SearchResponse) -> SearchResponse:
        """Return the response to the original search at a place, from that to its joined search."""
        if "aggregations" not in joined:
            return joined
        return {**joined, "aggregations": _read(joined["aggregations"], self._readings[place])}


def joined_searches(requests: Iterable[SearchRequest]) -> JoinedSearches:
    """Return searches of the same documents as one search.

    >>> def total(field): return SearchRequest("a", {"size": 0, "aggs": {"value": {"sum": {"field": field}}}})
    >>> joined = joined_searches([total("tp"), total("fp"), total("tp")])
    >>> joined.numbers, [dict(request.body["aggs"]) for request in joined.requests]
    ((0, 0, 0), [{'a0': {'sum': {'field': 'tp'}}, 'a1': {'sum': {'field': 'fp'}}}])
    >>> joined.response(1, {"aggregations": {"a0": {"value": 5.0}, "a1": {"value": 2.0}}})
    {'aggregations': {'value': {'value': 2.0}}}
    """
    names: dict[str, str] = {}
    numbers: dict[str, int] = {}
    bodies: list[tuple[str, dict[str, Any], _Aggregations]] = []
    places: list[int] = []
    readings: list[Mapping[str, _Reading]] = []
    for indices, body in requests:
        aggregations, reading = _named_by_content(body.get("aggs", {}), names)
        outside = {name: value for name, value in body.items() if name != "aggs"}
        documents = json.dumps([indices, outside], sort_keys=True)
        number = numbers.setdefault(documents, len(numbers))
        if number == len(bodies):
            bodies.append((indices, outside, {}))
        _add(bodies[number][2], aggregations)
        places.append(number)
        readings.append(reading)
    joined = (
        SearchRequest(indices, {**outside, "aggs": aggregations} if aggregations else outside)
        for indices, outside, aggregations in bodies
    )
    return JoinedSearches(tuple(joined), tuple(places), tuple(readings))


def _named_by_content(
    aggregations: Mapping[str, Mapping[str, Any]], names: dict[str, str]
) -> tuple[_Aggregations, dict[str, _Reading]]:
    """Return aggregations with names that are equal where they compute the same, and where to read each of them.

    Parameters
    ----------
    names : content -> name; new ones are added.
    """
    renamed: _Aggregations = {}
    readings: dict[str, _Reading] = {}
    for name, aggregation in aggregations.items():
        inner, inner_readings = _named_by_content(aggregation.get("aggs", {}), names)
        outside = {kind: value for kind, value in aggregation.items() if kind != "aggs"}
        if "terms" in outside:
            order = {_path(path, inner_readings): way for path, way in outside["terms"].get("order", {}).items()}
            outside["terms"] = {**outside["terms"], **({"order": order} if order else {})}
        content, percents = outside, ()
        if _PERCENTILES in outside:
            percents = tuple(outside[_PERCENTILES].get("percents", ()))
            content = {**outside, _PERCENTILES: {**outside[_PERCENTILES], "percents": bool(percents)}}
        new = names.setdefault(json.dumps(content, sort_keys=True), f"a{len(names)}")
        _add(renamed, {new: {**outside, **({"aggs": inner} if inner else {})}})
        buckets = any(kind in outside for kind in _WITH_BUCKETS)
        readings[name] = _Reading(new, inner_readings, percents, buckets)
    return renamed, readings


def _path(path: str, readings: Mapping[str, _Reading]) -> str:
    """Return the path of the value that groups are ordered by, such as `count`, `p95.95` or `clicks>value`."""
    for name, reading in readings.items():
        if path == name or path.startswith(f"{name}."):
            return reading.name + path[len(name) :]
        if path.startswith(f"{name}>"):
            return f"{reading.name}>{_path(path[len(name) + 1 :], reading.inner)}"
    return path


def _add(into: _Aggregations, aggregations: _Aggregations) -> None:
    """Add aggregations; of those that are there already, add the inner ones and the percentiles."""
    for name, aggregation in aggregations.items():
        there = into.setdefault(name, {kind: value for kind, value in aggregation.items() if kind != "aggs"})
        if "aggs" in aggregation:
            _add(there.setdefault("aggs", {}), aggregation["aggs"])
        if _PERCENTILES in aggregation:
            percents = {*there[_PERCENTILES].get("percents", ()), *aggregation[_PERCENTILES].get("percents", ())}
            there[_PERCENTILES] = {**there[_PERCENTILES], **({"percents": sorted(percents)} if percents else {})}


def _read(joined: Mapping[str, Any], readings: Mapping[str, _Reading]) -> dict[str, Any]:
    """Return the aggregations of one search under its own names."""
    return {
        name: _node(joined[reading.name], reading) if reading.buckets or reading.percents else joined[reading.name]
        for name, reading in readings.items()
        if reading.name in joined
    }


def _node(node: Mapping[str, Any], reading: _Reading) -> Mapping[str, Any]:
    if reading.percents:
        values = node.get("values", {})
        selected = {
            key: value for key, value in values.items() if float(key.removesuffix("_as_string")) in reading.percents
        }
        return {**node, "values": selected}
    if "buckets" not in node:
        return _bucket(node, reading.inner)
    buckets: Mapping[str, Any] | Sequence[Any] = node["buckets"]
    if isinstance(buckets, Mapping):
        return {**node, "buckets": {key: _bucket(bucket, reading.inner) for key, bucket in buckets.items()}}
    return {**node, "buckets": [_bucket(bucket, reading.inner) for bucket in buckets]}


def _bucket(bucket: Mapping[str, Any], inner: Mapping[str, _Reading]) -> Mapping[str, Any]:
    """Return a bucket with the aggregations of one search."""
    plain = {name: bucket[name] for name in _PLAIN if name in bucket}
    plain.update(_read(bucket, inner))
    return plain
