"""How far an alert looks back with the settings of the agent (pure).

The list of alerts is written for the defaults: base windows and cycles of a minute, windows that are final 32 minutes
after their end, feedback that becomes an orphan after a day. With other settings the documents of an alert are older,
or fewer of them lie in the same time. So the alert looks back for longer; otherwise it would never become active.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import timedelta

from monitor_agent.alerting import kql
from monitor_agent.alerting.conditions import LABEL_FIELDS
from monitor_agent.alerting.definitions import Alert
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.durations import format_duration, parse_duration
from monitor_agent.metrics import weekly
from monitor_agent.settings import AgentSettings

DEFAULTS = AgentSettings()
SECOND = timedelta(seconds=1)


def fitted(alerts: Iterable[Alert], *settings: AgentSettings) -> list[Alert]:
    """Return the alerts with the times that they look back, as the settings need them; none becomes shorter.

    Parameters
    ----------
    settings : those of each group of models; the group that needs the longest time decides.
    """
    return [
        dataclasses.replace(
            alert, look_back=format_duration(max(_look_back(alert, group) for group in settings or (DEFAULTS,)))
        )
        for alert in alerts
    ]


def needs_labels(names: Iterable[str]) -> bool:
    """Return whether an alert on these fields waits for the labels of a window."""
    drops = (weekly.SUFFIX, weekly.RELATIVE_SUFFIX)
    return any(name in LABEL_FIELDS or any(suffix in name for suffix in drops) for name in names)


def is_about(alert: Alert, pattern: str) -> bool:
    """Return whether an alert searches the indices of a contract.

    Parameters
    ----------
    pattern : the contract's index pattern.
    """
    return alert.index.startswith(pattern.rstrip("*"))


def _look_back(alert: Alert, settings: AgentSettings) -> timedelta:
    length, names = parse_duration(alert.look_back), kql.fields(alert.where)
    if is_about(alert, PERFORMANCE.pattern):
        if "is_base_window" in names:
            length *= max(1.0, settings.base_window / DEFAULTS.base_window)
        length += max(timedelta(), wait_for_values(alert, settings) - wait_for_values(alert, DEFAULTS))
    elif is_about(alert, VERDICTS.pattern):
        length = max(length, 3 * max(settings.period, settings.base_window))
    elif alert.agent and is_about(alert, CYCLES.pattern):
        length *= max(1.0, settings.period / DEFAULTS.period)
    return -(-length // SECOND) * SECOND


def wait_for_values(alert: Alert, settings: AgentSettings) -> timedelta:
    """Return how long after the end of a window an alert on metrics can count it."""
    names, wait = kql.fields(alert.where), timedelta()
    if needs_labels(names):
        wait += settings.attribution_window + settings.ingest_grace
    if any(name.startswith("orphan_") for name in names):
        wait += settings.orphan_horizon
    return wait
