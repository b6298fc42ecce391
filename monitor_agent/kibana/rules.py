"""The Kibana rule that each alert becomes (pure)."""

from __future__ import annotations

import json
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.alerting.conditions import alert_on_firings, most_groups
from monitor_agent.alerting.definitions import Alert
from monitor_agent.contracts.alert import LOG_LEVELS
from monitor_agent.durations import parse_duration

Document = dict[str, Any]

CONNECTOR = "model-monitoring-log"
"""The connector that receives the alerts of the rules."""

CONNECTORS: dict[str, Document] = {
    CONNECTOR: {
        "name": "Model monitoring: Kibana's log",
        "connector_type_id": ".server-log",
        "config": {},
        "secrets": {},
    }
}

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def rule(alert: Alert) -> Document:
    """Return the body of `POST /api/alerting/rule/<id>`."""
    alert = alert_on_firings(alert)
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
        params["termSize"] = most_groups(alert.group_by)
    message = f"{alert.title}: {alert.message}; see the dashboard {alert.dashboard}. {{{{context.message}}}}"
    level = LOG_LEVELS[alert.severity]
    return {
        "name": alert.title,
        "rule_type_id": ".es-query",
        "consumer": "stackAlerts",
        "enabled": True,
        "tags": ["model-monitoring", alert.severity],
        "schedule": {"interval": alert.interval},
        "params": params,
        "alert_delay": {"active": alert.evaluations[0]},
        "actions": [
            _action("query matched", level, message, "onThrottleInterval", alert.throttle),
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
    seconds = round(parse_duration(look_back).total_seconds())
    unit, size = next((unit, size) for unit, size in reversed(_UNITS.items()) if seconds % size == 0)
    return {"timeWindowSize": seconds // size, "timeWindowUnit": unit}
