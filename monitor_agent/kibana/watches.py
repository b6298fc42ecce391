"""The Watcher watch that each alert becomes, its search and its condition (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from monitor_agent.alerting.conditions import alert_on_firings, alert_query, condition_met
from monitor_agent.alerting.definitions import Alert
from monitor_agent.contracts.alert import LOG_LEVELS
from monitor_agent.errors import DataError

Document = dict[str, Any]

_TIME = "{{ctx.trigger.scheduled_time}}"


def watch(alert: Alert) -> Document:
    """Return the body of `PUT _watcher/watch/<id>`; all times in it are relative to the moment when it is due."""
    alert = alert_on_firings(alert)
    _, body = alert_query(alert, _TIME)
    del body["track_total_hits"]  # Watcher counts all hits anyway
    comparison, count = alert.comparison
    text = f"{alert.title}: {alert.message}{_named(alert)}; see the dashboard {alert.dashboard}"
    return {
        "trigger": {"schedule": {"interval": alert.interval}},
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
        "condition": {"compare": {"ctx.payload.hits.total": {comparison: count}}},
        "throttle_period": alert.throttle,
        "actions": {"log": {"logging": {"level": LOG_LEVELS[alert.severity], "text": text}}},
    }


def _named(alert: Alert) -> str:
    """Return the Mustache text that lists the groups, with how many documents each has."""
    if not alert.group_by:
        return ""
    inner = ""
    for _ in alert.group_by[1:]:
        inner = "{{#groups.buckets}} {{key}}" + inner + "{{/groups.buckets}}"
    listed = "{{#ctx.payload.aggregations.groups.buckets}} {{key}}" + inner
    return f" ({', '.join(alert.group_by)}:{listed}{{{{/ctx.payload.aggregations.groups.buckets}}}})"


def search_of(body_of_watch: Mapping[str, Any], due: str) -> tuple[str, Document]:
    """Return index and body of the search of a watch that is due at `due` (ISO 8601)."""
    request = body_of_watch["input"]["search"]["request"]
    body: Document = json.loads(json.dumps(request["body"]).replace(_TIME, due))
    return ",".join(request["indices"]), {**body, "track_total_hits": True}


def fires(body_of_watch: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """Return whether a watch's condition holds for the answer to its search; Watcher counts hits as one number.

    Raises
    ------
    DataError
        If the condition reads a value that is not in the answer.
    """
    context = {"ctx": {"payload": {**answer, "hits": {"total": answer["hits"]["total"]["value"]}}}}
    ((path, stated),) = body_of_watch["condition"]["compare"].items()
    value: Any = context
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise DataError(f"the condition reads {path}, which is not in the answer of the search")
        value = value[name]
    ((comparison, count),) = stated.items()
    return condition_met(value, comparison, count)
