"""Alerts: one readable list, the question that the agent asks for each, its Watcher watch and Kibana rule (pure).

The agent looks for the trouble itself and writes firings to `model-alerts`; watches and rules tell people of those that
are active and not held back. Only what the agent cannot tell, its own silence, they look for themselves.
Watches need a licence of at least the level `standard`; rules with the connector `.server-log` are free.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.alerting.firings import Breach, Group, Rule
from monitor_agent.contracts.alert import ALERTS, CRITICAL, GROUP_FIELDS, STATE_ACTIVE, WARNING
from monitor_agent.durations import in_one_unit, parse_duration
from monitor_agent.errors import DataError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Document = dict[str, Any]

LEVELS = {CRITICAL: "error", WARNING: "warn"}
"""The level of the log line that tells an alert, by its severity."""

GROUPS = 50
"""Values of a field that are told apart."""

_BUCKETS = "groups"
_DURATIONS = {"look_back", "every", "throttle"}
_FIRINGS = "400d"
"""How long ago a firing that still goes on may have begun: as long as its document is kept."""


@dataclass(frozen=True, kw_only=True)
class Alert(Rule):
    """One alert, as `kibana/alerts.toml` says it; the file's head explains each key."""

    index: str
    where: str
    look_back: str
    throttle: str
    at_least: int = 0
    fewer_than: int = 0
    values: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    agent: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be an alert."""
        if bool(self.at_least) == bool(self.fewer_than):
            raise DataError(f"the alert {self.id} needs either at_least or fewer_than")
        if self.group_by and (self.fewer_than or not self.agent):
            told = "what is missing, or not for the agent to tell, has no groups"
            raise DataError(f"the alert {self.id}: {told}", "leave group_by out")
        if self.severity not in LEVELS:
            raise DataError(f"the alert {self.id}: severity is one of {', '.join(LEVELS)}")
        needed, of = self.looks
        if not 1 <= needed <= of or self.quiet < 1:
            raise DataError(f"the alert {self.id}: looks are [N, M] with 1 <= N <= M, quiet is 1 or more")
        for text in (self.look_back, self.every, self.throttle):
            parse_duration(text)
        self._check_fields()

    def _check_fields(self) -> None:
        limits = self.limits()
        for value in self.values:
            if value not in limits:
                raise DataError(f"the alert {self.id}: its value {value} is not compared in where")
        if self.group_by != GROUP_FIELDS[: len(self.group_by)]:
            raise DataError(f"the alert {self.id}: groups are {', '.join(GROUP_FIELDS)}, in this order")

    @property
    def comparison(self) -> tuple[str, int]:
        """How many documents make it fire: `gte` or `lt`, and the number."""
        return ("gte", self.at_least) if self.at_least else ("lt", self.fewer_than)

    def limits(self) -> dict[str, tuple[str, float]]:
        """Return the fields that `where` compares with a number: which end is worse (`max` or `min`), and the number.

        Raises DataError where it is no KQL.
        """
        return dict(_limits(kql.query(self.where)))


def _limits(node: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, float]]]:
    for kind, inner in node.items():
        if kind == "range":
            ((name, compared),) = inner.items()
            ((sign, number),) = compared.items()
            yield name, ("max" if sign in ("gt", "gte") else "min", float(number))
        elif kind == "bool":
            for clause, parts in inner.items():
                for part in parts if clause in ("filter", "should") else []:
                    yield from _limits(part)


def parse_alerts(text: str) -> list[Alert]:
    """Return the alerts of `alerts.toml`, in order; DataError names what is wrong."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"alerts.toml is no TOML: {error}") from error
    found = [_alert(name, table) for name, table in tables.items()]
    free = {alert.id for alert in found if alert.agent and not alert.inhibited_by}
    for alert in found:
        for name in alert.inhibited_by:
            if name not in free:
                raise DataError(f"the alert {alert.id}: {name} cannot hold it back", f"use {', '.join(sorted(free))}")
    return found


def _alert(name: str, table: Mapping[str, Any]) -> Alert:
    known = {entry.name: entry.default for entry in dataclasses.fields(Alert) if entry.name != "id"}
    unknown = sorted(table.keys() - known.keys()) if isinstance(table, Mapping) else [name]
    if unknown:
        raise DataError(f"the alert {name} has no key {unknown[0]}", f"known are {', '.join(sorted(known))}")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    for key, value in values.items():
        if isinstance(known[key], tuple) and not isinstance(value, tuple):
            raise DataError(f"the alert {name}: {key} is a list")
    for key in _DURATIONS & values.keys():
        try:
            values[key] = in_one_unit(str(values[key]))
        except DataError as error:
            raise DataError(f"the alert {name}: its {key} is malformed: {error.message}", error.hint) from error
    try:
        return Alert(id=name, **values)
    except (TypeError, ValueError) as error:
        raise DataError(f"the alert {name} is incomplete: {error}") from error


def alert_on_firings(alert: Alert) -> Alert:
    """Return what watches and rules look for: its active firings; where the agent cannot tell, the trouble itself."""
    if not alert.agent:
        return alert
    held = " and not inhibited_by: *" if alert.inhibited_by else ""
    return dataclasses.replace(
        alert,
        index=ALERTS.pattern,
        where=f"rule.name: {alert.id} and state: {STATE_ACTIVE}{held}",
        look_back=_FIRINGS,
        every="1m",
        looks=(1, 1),
        at_least=1,
        fewer_than=0,
        values=(),
    )


def alert_query(alert: Alert, due: str) -> tuple[str, Document]:
    """Return the search, index and body, for the trouble that an alert is about, as of `due` (ISO 8601)."""
    times = {"gte": f"{due}||-{alert.look_back}", "lte": due, "format": "strict_date_optional_time"}
    body: Document = {
        "size": 0,
        "track_total_hits": True,
        "query": {"bool": {"filter": [{"range": {"@timestamp": times}}, kql.query(alert.where)]}},
    }
    limits = alert.limits()
    groups: Document = {value: {limits[value][0]: {"field": value}} for value in alert.values}
    for field in reversed(alert.group_by):
        inner = {"aggs": groups} if groups else {}
        groups = {_BUCKETS: {"terms": {"field": field, "size": GROUPS}, **inner}}
    return alert.index, {**body, **({"aggs": groups} if groups else {})}


def breaches(alert: Alert, answer: Mapping[str, Any]) -> list[Breach]:
    """Return what the answer to an alert's question shows; nothing where there is no trouble."""
    comparison, count = alert.comparison
    total = answer["hits"]["total"]["value"]
    if not alert.group_by:
        found: list[tuple[Group, int, Mapping[str, Any]]] = [((), total, answer.get("aggregations", {}))]
    else:
        found = list(_innermost(alert.group_by, answer.get("aggregations", {})))
    return [
        _breach(alert, group, values) for group, number, values in found if condition_met(number, comparison, count)
    ]


def _innermost(fields: Sequence[str], values: Mapping[str, Any]) -> Iterator[tuple[Group, int, Mapping[str, Any]]]:
    for bucket in values.get(_BUCKETS, {}).get("buckets", []):
        group = ((fields[0], bucket["key"]),)
        if len(fields) == 1:
            yield group, bucket["doc_count"], bucket
        else:
            for rest, number, inner in _innermost(fields[1:], bucket):
                yield group + rest, number, inner


def _breach(alert: Alert, group: Group, values: Mapping[str, Any]) -> Breach:
    """Return what is told: of several fields the first that is beyond its limit."""
    limits = alert.limits()
    for measure in alert.values:
        value = values.get(measure, {}).get("value")
        worse, limit = limits[measure]
        if value is not None and (value >= limit if worse == "max" else value <= limit):
            return Breach(alert.id, group, measure, value, limit)
    return Breach(alert.id, group)


def condition_met(number: int, comparison: str, count: int) -> bool:
    """Return whether so many documents are as an alert's comparison says.

    >>> condition_met(3, "gte", 3), condition_met(1, "lt", 1)
    (True, False)
    """
    return number >= count if comparison == "gte" else number < count
