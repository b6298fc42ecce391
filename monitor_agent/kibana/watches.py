"""The Watcher watch that each alert becomes, and what it would say of an answer (pure)."""

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
    """Return the body of `PUT _watcher/watch/<id>`; all times in it follow from when it was due."""
    alert = alert_on_firings(alert)
    _, body = alert_query(alert, _TIME)
    del body["track_total_hits"]  # Watcher counts all hits anyway
    comparison, count = alert.comparison
    told = f"{alert.title}: {alert.message}{_named(alert)}; see the dashboard {alert.dashboard}"
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
        "actions": {"log": {"logging": {"level": LOG_LEVELS[alert.severity], "text": told}}},
    }


def _named(alert: Alert) -> str:
    """Return the Mustache text that lists the groups, with how many documents each has."""
    if not alert.group_by:
        return ""
    inner = "{{#groups.buckets}} {{key}}{{/groups.buckets}}" if len(alert.group_by) > 1 else ""
    listed = "{{#ctx.payload.aggregations.groups.buckets}} {{key}}" + inner
    return f" ({', '.join(alert.group_by)}:{listed}{{{{/ctx.payload.aggregations.groups.buckets}}}})"


def search_of(watched: Mapping[str, Any], due: str) -> tuple[str, Document]:
    """Return the search of a watch, index and body, as it runs when it is due at `due` (ISO 8601)."""
    request = watched["input"]["search"]["request"]
    body: Document = json.loads(json.dumps(request["body"]).replace(_TIME, due))
    return ",".join(request["indices"]), {**body, "track_total_hits": True}


def fires(watched: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """Return whether a watch's condition holds for the answer to its search; DataError for what it cannot read.

    Watcher counts hits as one number.
    """
    context = {"ctx": {"payload": {**answer, "hits": {"total": answer["hits"]["total"]["value"]}}}}
    ((path, stated),) = watched["condition"]["compare"].items()
    found: Any = context
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            raise DataError(f"the condition reads {path}, which the search does not answer")
        found = found[name]
    ((comparison, count),) = stated.items()
    return condition_met(found, comparison, count)
