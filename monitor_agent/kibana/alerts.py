"""Alerts: one readable list, and the Watcher watch and the Kibana rule that each entry becomes (pure).

Watches need a licence of at least the level `standard`; rules with the connector `.server-log` are free.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor_agent.errors import DataError
from monitor_agent.kibana import kql
from monitor_agent.kibana.times import span

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Document = dict[str, Any]

CONNECTOR = "model-monitoring-log"
"""The connector that rules tell their alerts to."""

CONNECTORS: dict[str, Document] = {
    CONNECTOR: {
        "name": "Model monitoring: Kibana's log",
        "connector_type_id": ".server-log",
        "config": {},
        "secrets": {},
    }
}

SEVERITIES = {"critical": "error", "warning": "warn"}
_TIME = "{{ctx.trigger.scheduled_time}}"
_GROUPS = 50
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Alert:
    """One alert, as `kibana/alerts.toml` says it; the file's head explains each key."""

    id: str
    title: str
    message: str
    index: str
    where: str
    look_back: str
    every: str
    throttle: str
    severity: str
    dashboard: str
    in_a_row: int = 1
    at_least: int = 0
    fewer_than: int = 0
    group_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be an alert."""
        if bool(self.at_least) == bool(self.fewer_than):
            raise DataError(f"the alert {self.id} needs either at_least or fewer_than")
        if self.fewer_than and self.group_by:
            raise DataError(f"the alert {self.id}: what is missing has no groups", "leave group_by out")
        if self.severity not in SEVERITIES:
            raise DataError(f"the alert {self.id}: severity is one of {', '.join(SEVERITIES)}")
        for text in (self.look_back, self.every, self.throttle):
            span(text)
        kql.query(self.where)

    @property
    def comparison(self) -> tuple[str, int]:
        """How many documents make it fire: `gte` or `lt`, and the number."""
        return ("gte", self.at_least) if self.at_least else ("lt", self.fewer_than)


def alerts(text: str) -> list[Alert]:
    """Return the alerts of `alerts.toml`, in order; DataError names what is wrong."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"alerts.toml is no TOML: {error}") from error
    return [_alert(name, table) for name, table in tables.items()]


def _alert(name: str, table: Mapping[str, Any]) -> Alert:
    known = {entry.name for entry in dataclasses.fields(Alert)} - {"id"}
    unknown = sorted(table.keys() - known)
    if unknown:
        raise DataError(f"the alert {name} has no key {unknown[0]}", f"known are {', '.join(sorted(known))}")
    values: dict[str, Any] = {**table, "group_by": tuple(table.get("group_by", ()))}
    try:
        return Alert(id=name, **values)
    except TypeError as error:
        raise DataError(f"the alert {name} is incomplete: {error}") from error


def watch(alert: Alert) -> Document:
    """Return the body of `PUT _watcher/watch/<id>`; all times in it follow from when it was due."""
    times = {"gte": f"{_TIME}||-{alert.look_back}", "lte": _TIME, "format": "strict_date_optional_time"}
    body: Document = {
        "size": 0,
        "query": {"bool": {"filter": [{"range": {"@timestamp": times}}, kql.query(alert.where)]}},
    }
    groups: Document = {}
    for field in reversed(alert.group_by):
        inner = {"aggs": groups} if groups else {}
        groups = {"groups": {"terms": {"field": field, "size": _GROUPS}, **inner}}
    if groups:
        body["aggs"] = groups
    told = f"{alert.title}: {alert.message}{_named(alert)}; see the dashboard {alert.dashboard}"
    return {
        "trigger": {"schedule": {"interval": alert.every}},
        "metadata": {"title": alert.title, "severity": alert.severity, "dashboard": alert.dashboard},
        "input": {
            "search": {
                "request": {
                    "indices": [alert.index],
                    "indices_options": {"ignore_unavailable": True, "allow_no_indices": True},
                    "body": body,
                }
            }
        },
        "condition": _condition(alert),
        "throttle_period": alert.throttle,
        "actions": {"log": {"logging": {"level": SEVERITIES[alert.severity], "text": told}}},
    }


def _condition(alert: Alert) -> Document:
    comparison, count = alert.comparison
    if not alert.group_by:
        return {"compare": {"ctx.payload.hits.total": {comparison: count}}}
    enough = {"path": "doc_count", comparison: {"value": count, "quantifier": "some"}}
    return {"array_compare": {"ctx.payload.aggregations.groups.buckets": enough}}


def _named(alert: Alert) -> str:
    """Return the Mustache text that lists the groups, with how many documents each has."""
    if not alert.group_by:
        return ""
    inner = "{{#groups.buckets}} {{key}}{{/groups.buckets}}" if len(alert.group_by) > 1 else ""
    listed = "{{#ctx.payload.aggregations.groups.buckets}} {{key}}" + inner
    return f" ({', '.join(alert.group_by)}:{listed}{{{{/ctx.payload.aggregations.groups.buckets}}}})"


def rule(alert: Alert) -> Document:
    """Return the body of `POST /api/alerting/rule/<id>`."""
    comparison, count = alert.comparison
    params: Document = {
        "searchType": "esQuery",
        "index": [alert.index],
        "timeField": "@timestamp",
        "esQuery": json.dumps({"query": kql.query(alert.where)}, sort_keys=True),
        "size": 10,
        **_window(alert.look_back),
        "threshold": [count],
        "thresholdComparator": {"gte": ">=", "lt": "<"}[comparison],
        "aggType": "count",
        "groupBy": "top" if alert.group_by else "all",
        "excludeHitsFromPreviousRun": False,
    }
    if alert.group_by:
        params["termField"] = list(alert.group_by) if len(alert.group_by) > 1 else alert.group_by[0]
        params["termSize"] = _GROUPS
    told = f"{alert.title}: {alert.message}; see the dashboard {alert.dashboard}. {{{{context.message}}}}"
    level = SEVERITIES[alert.severity]
    return {
        "name": alert.title,
        "rule_type_id": ".es-query",
        "consumer": "stackAlerts",
        "enabled": True,
        "tags": ["model-monitoring", alert.severity],
        "schedule": {"interval": alert.every},
        "params": params,
        "alert_delay": {"active": alert.in_a_row},
        "actions": [
            _action("query matched", level, told, "onThrottleInterval", alert.throttle),
            _action("recovered", "info", f"{alert.title}: recovered", "onActionGroupChange", None),
        ],
    }


def _action(group: str, level: str, message: str, when: str, throttle: str | None) -> Document:
    return {
        "id": CONNECTOR,
        "group": group,
        "params": {"level": level, "message": message},
        "frequency": {"summary": False, "notify_when": when, "throttle": throttle},
    }


def _window(look_back: str) -> Document:
    seconds = round(span(look_back).total_seconds())
    unit, size = next((unit, size) for unit, size in reversed(_UNITS.items()) if seconds % size == 0)
    return {"timeWindowSize": seconds // size, "timeWindowUnit": unit}


def search_of(watched: Mapping[str, Any], due: str) -> tuple[str, Document]:
    """Return the search of a watch, index and body, as it runs when it is due at `due` (ISO 8601)."""
    request = watched["input"]["search"]["request"]
    body: Document = json.loads(json.dumps(request["body"]).replace(_TIME, due))
    return ",".join(request["indices"]), {**body, "track_total_hits": True}


def fires(watched: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """Return whether a watch's condition holds for the answer to its search; DataError for what it cannot read.

    Watcher counts hits as one number.
    """
    total = answer["hits"]["total"]["value"]
    context = {"ctx": {"payload": {**answer, "hits": {**answer["hits"], "total": total}}}}
    ((kind, stated),) = watched["condition"].items()
    ((path, compared),) = stated.items()
    found: Any = context
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            raise DataError(f"the condition reads {path}, which the search does not answer")
        found = found[name]
    if kind == "compare":
        ((comparison, value),) = compared.items()
        return _compare(found, comparison, value)
    ((comparison, wanted),) = ((name, each) for name, each in compared.items() if name != "path")
    return any(_compare(each[compared["path"]], comparison, wanted["value"]) for each in found)


def _compare(found: Any, comparison: str, value: Any) -> bool:
    return bool({"gte": found >= value, "lt": found < value}[comparison])
