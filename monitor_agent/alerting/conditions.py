"""The condition of an alert as a search, and what the answer of Elasticsearch means (pure)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firings import Breach, Group
from monitor_agent.contracts.alert import ALERTS, SEGMENT, STATE_ACTIVE
from monitor_agent.pipeline import instants

Document = dict[str, Any]

MAX_GROUPS = 50
"""Models, and versions of a model, that have firings of their own."""
MAX_SEGMENTS = 1000
"""Segments of a version that have firings of their own: more than the settings of a model can make of a few labels."""

SIZE = "window_size"
"""The field with the size of a window."""
_BUCKETS = "groups"
_NEWEST = "newest"
_MEASURED = "measured"
_HOLDING = "holding"
LABEL_FIELDS = ("alertable", "maturity", "coverage")
"""Fields that say whether the labels are there: an alert that names one waits for them."""

_FIRING_AGE = "400d"
"""How long ago an open firing may have begun: as long as its document is kept."""


@dataclass(frozen=True)
class GroupCounts:
    """The documents of one group that count for an alert.

    Attributes
    ----------
    count : how many they are.
    values : the worst value of each field that the alert compares; None = no document has one.
    documents, window : as those of a `Breach`.
    """

    group: Group
    count: int
    values: Mapping[str, float | None]
    documents: tuple[datetime, ...] = ()
    window: timedelta | None = None


def alert_query(alert: Alert, due: str) -> tuple[str, Document]:
    """Return the search for an alert's condition, index and body, as of `due` (ISO 8601)."""
    body: Document = {
        "size": 0,
        "track_total_hits": True,
        "query": {"bool": {"filter": [*_in_time(alert, due), kql.query(alert.where)]}},
    }
    limits = alert.limits()
    groups: Document = {value: {limits[value][0]: {"field": value}} for value in alert.values}
    if newest_count(alert):
        groups[_NEWEST] = _newest_documents(newest_count(alert))
    for field in reversed(alert.group_by):
        inner = {"aggs": groups} if groups else {}
        groups = {_BUCKETS: {"terms": {"field": field, "size": most_groups([field])}, **inner}}
    return alert.index, {**body, **({"aggs": groups} if groups else {})}


def most_groups(fields: Collection[str]) -> int:
    """Return how many values of some fields of groups have firings of their own."""
    return MAX_SEGMENTS if SEGMENT in fields else MAX_GROUPS


def _in_time(alert: Alert, due: str) -> list[Document]:
    """Return the filters for the documents that are new enough; what that is may depend on the size of their window."""

    def newer(look_back: str) -> Document:
        times = {"gte": f"{due}||-{look_back}", "lte": due, "format": "strict_date_optional_time"}
        return {"range": {"@timestamp": times}}

    if not alert.look_backs:
        return [newer(alert.look_back)]
    sizes = [{"bool": {"filter": [{"term": {SIZE: size}}, newer(length)]}} for size, length in alert.look_backs]
    further = {"bool": {"must_not": [{"terms": {SIZE: [size for size, _ in alert.look_backs]}}]}}
    return [newer(alert.look_back), {"bool": {"should": [*sizes, further], "minimum_should_match": 1}}]


def measurement_query(alert: Alert, group: Group, due: str) -> tuple[str, Document] | None:
    """Return the search for what `staying_open` asks about a group; None if the alert compares no values of groups."""
    if not alert.values or not alert.group_by:
        return None
    present, measured, holding = measurement_filters(alert)
    terms: list[Document] = [{"term": {name: value}} for name, value in group]
    filters = [*_in_time(alert, due), *terms, present]
    aggs = {_MEASURED: {"filter": measured}, _HOLDING: {"filter": holding}}
    return alert.index, {"size": 0, "track_total_hits": 1, "query": {"bool": {"filter": filters}}, "aggs": aggs}


def measurement_filters(alert: Alert) -> tuple[Document, Document, Document]:
    """Return the filters for the documents that an alert is about, for those of them with measured values, and for
    those that keep an open firing from recovering.
    """
    condition = kql.query(alert.where)
    holding = kql.query(alert.holds) if alert.holds else {"match_none": {}}
    return without_values(condition), _with_values(condition), holding


def staying_open(answer: Mapping[str, Any]) -> bool:
    """Return whether the open firing of a group does not recover, by the answer to its `measurement_query`."""
    values = answer.get("aggregations", {})
    measured, holding = (bool(values.get(name, {}).get("doc_count")) for name in (_MEASURED, _HOLDING))
    return stays_open(bool(answer["hits"]["total"]["value"]), measured, holding)


def stays_open(present: bool, measured: bool, holding: bool) -> bool:
    """Return whether an open firing does not recover, although no document meets its alert's condition.

    Parameters
    ----------
    present, measured, holding : whether its group has documents, one with a measured value, and one that meets `holds`.
    """
    return present and (not measured or holding)


def without_values(node: Document) -> Document:
    """Return a condition without what depends on values and on their labels."""
    return _replaced(node, lambda _field: {"match_all": {}})


def _with_values(node: Document) -> Document:
    """Return a condition that asks for values, whatever they are."""
    return _replaced(node, lambda field: {"exists": {"field": field}}, gates=False)


def _replaced(node: Document, replacement: Callable[[str], Document], gates: bool = True) -> Document:
    ((kind, inner),) = node.items()
    if kind == "range":
        return replacement(next(iter(inner)))
    if gates and kind == "match" and next(iter(inner)) in LABEL_FIELDS:
        return replacement(next(iter(inner)))
    if kind != "bool":
        return node
    replaced = {
        name: [_replaced(clause, replacement, gates) for clause in clauses] if name in ("filter", "should") else clauses
        for name, clauses in inner.items()
    }
    return {"bool": replaced}


def breaches(alert: Alert, answer: Mapping[str, Any]) -> list[Breach]:
    """Return the breaches in the answer to an alert's query, one for each group that meets the condition."""
    values = answer.get("aggregations", {})
    if not alert.group_by:
        return breaches_of(alert, [_counts(alert, (), answer["hits"]["total"]["value"], values)])
    return breaches_of(alert, (_counts(alert, *entry) for entry in _innermost(alert.group_by, values)))


def breaches_of(alert: Alert, groups: Iterable[GroupCounts]) -> list[Breach]:
    """Return the breaches of an alert's groups: what each of them counts, whoever has counted."""
    comparison, threshold = alert.comparison
    limits = alert.limits()
    return [_breach(alert, limits, counts) for counts in groups if condition_met(counts.count, comparison, threshold)]


def newest_count(alert: Alert) -> int:
    """Return how many of the newest documents of a group are listed; 0 = they do not count."""
    return alert.evaluations[1] if alert.at_least and alert.evaluations[0] > 1 else 0


def _innermost(fields: Sequence[str], values: Mapping[str, Any]) -> Iterator[tuple[Group, int, Mapping[str, Any]]]:
    """Yield each group with its number of documents and its values."""
    for bucket in values.get(_BUCKETS, {}).get("buckets", []):
        group = ((fields[0], bucket["key"]),)
        if len(fields) == 1:
            yield group, bucket["doc_count"], bucket
        else:
            for rest, count, inner in _innermost(fields[1:], bucket):
                yield group + rest, count, inner


def _counts(alert: Alert, group: Group, count: int, values: Mapping[str, Any]) -> GroupCounts:
    worst = {measure: values.get(measure, {}).get("value") for measure in alert.values}
    return GroupCounts(group, count, worst, *_documents(values))


def _breach(alert: Alert, limits: Mapping[str, tuple[str, float]], counts: GroupCounts) -> Breach:
    """Return the breach with the first of the alert's fields that is beyond its limit."""
    breach = Breach(alert.id, counts.group, documents=counts.documents, window=counts.window)
    for measure in alert.values:
        value = counts.values.get(measure)
        worse, limit = limits[measure]
        if value is not None and (value >= limit if worse == "max" else value <= limit):
            return dataclasses.replace(breach, measure=measure, value=value, limit=limit)
    return breach


def _newest_documents(count: int) -> Document:
    """Return the aggregation that lists the newest documents of a group, by their times, with the ends of windows."""
    times = {"field": "@timestamp", "size": count, "order": {"_key": "desc"}}
    return {"terms": times, "aggs": {"end": {"max": {"field": "window_end"}}}}


def _documents(values: Mapping[str, Any]) -> tuple[tuple[datetime, ...], timedelta | None]:
    """Return the times of the newest documents in an answer, and the length of the newest window if it is one."""
    buckets = values.get(_NEWEST, {}).get("buckets", [])
    if not buckets:
        return (), None
    end = buckets[0].get("end", {}).get("value")
    length = timedelta(milliseconds=end - buckets[0]["key"]) if end is not None else None
    return tuple(instants.parse(bucket["key"]) for bucket in buckets), length or None


def condition_met(count: int, comparison: str, threshold: int) -> bool:
    """Return whether a number of documents meets the condition of an alert.

    >>> condition_met(3, "gte", 3), condition_met(1, "lt", 1)
    (True, False)
    """
    return count >= threshold if comparison == "gte" else count < threshold


def alert_on_firings(alert: Alert) -> Alert:
    """Return the alert for a watch or rule: its condition is an active firing of `alert` that is not inhibited.

    An alert that the agent does not evaluate (`agent = false`) is returned as it is.
    """
    if not alert.agent:
        return alert
    uninhibited = " and not inhibited_by: *" if alert.inhibited_by else ""
    return dataclasses.replace(
        alert,
        index=ALERTS.pattern,
        where=f"rule.name: {alert.id} and state: {STATE_ACTIVE}{uninhibited}",
        look_back=_FIRING_AGE,
        interval="1m",
        evaluations=(1, 1),
        at_least=1,
        fewer_than=0,
        values=(),
        holds="",
    )
