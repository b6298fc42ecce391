"""An alert has fields and a dashboard that exist, and its watch and rule match their schemas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitor_agent.alerting import kql
from monitor_agent.alerting.conditions import alert_on_firings
from monitor_agent.alerting.definitions import Alert
from monitor_agent.kibana.checks.bundle import Bundle, Finding
from monitor_agent.kibana.checks.schemas import problems
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.rules import rule
from monitor_agent.kibana.watches import watch

FILE = "alerts.toml"


def check_alerts(alerts: Iterable[Alert], objects: Mapping[str, SavedObject]) -> list[Finding]:
    """Return the problems of the alerts."""
    bundle = Bundle(objects)
    return [Finding("alerts", FILE, f"{alert.id}: {message}") for alert in alerts for message in _alert(alert, bundle)]


def _alert(alert: Alert, bundle: Bundle) -> Iterator[str]:
    yield from _fields(alert, bundle)
    if alert.agent:
        yield from _fields(alert_on_firings(alert), bundle)
    if f"dashboard:{alert.dashboard}" not in bundle.by_key:
        yield f"the dashboard {alert.dashboard} does not exist"
    yield from (f"watch {message}" for message in problems("watch", watch(alert)))
    yield from (f"rule {message}" for message in problems("rule", rule(alert)))


def _fields(alert: Alert, bundle: Bundle) -> Iterator[str]:
    view = next((name for name, view in bundle.views.items() if view.index == alert.index), None)
    if view is None:
        yield f"no data view reads {alert.index}"
        return
    named = sorted({*kql.fields(alert.where), *alert.group_by})
    yield from (f"{alert.index} has no field {name}" for name in named if bundle.type_of(view, name) is None)
