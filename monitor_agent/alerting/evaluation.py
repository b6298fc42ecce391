"""Alerts as the agent looks for them: once a cycle, by whoever holds the share of all that no lease names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path

import structlog

from monitor_agent import alerting
from monitor_agent.alerting.definitions import Alert, alert_query, breaches, parse_alerts
from monitor_agent.alerting.firings import Firing, evaluate
from monitor_agent.alerting.store import AlertStore
from monitor_agent.contracts.alert import STATE_ACTIVE, STATE_PENDING
from monitor_agent.errors import DataError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.state_store import OWNER, StateStore
from monitor_agent.pipeline import instants

LIST = "alerts.toml"


def load_alerts(path: str = "") -> list[Alert]:
    """Return the alerts of a list, or of the one that comes with the agent; DataError where it cannot be read."""
    try:
        text = Path(path).read_text("utf-8") if path else resources.files(alerting).joinpath(LIST).read_text("utf-8")
    except OSError as error:
        told = f"the list of alerts {path or LIST} cannot be read ({error.strerror})"
        raise DataError(told, "see MONITOR_ALERTS") from error
    return parse_alerts(text)


@dataclass(frozen=True)
class AlertStatus:
    """What goes on after a look.

    Attributes
    ----------
    pending : how many firings are pending.
    active : what is told of those that are active.
    active_by_rule : how many of each alert they are, also none.
    holding : the alerts that hold others back.
    """

    pending: int
    active: Sequence[Mapping[str, object]]
    active_by_rule: Mapping[str, float]
    holding: Sequence[str]


class Alerting:
    """Looks for the trouble of every alert, and keeps the firings; holds nothing between looks."""

    def __init__(self, gateway: Gateway, listed: Sequence[Alert], name: str = OWNER) -> None:
        self._store = AlertStore(gateway, StateStore(gateway, name))
        self._alerts = [alert for alert in listed if alert.agent]
        self._log = structlog.get_logger()

    def step(self, now: datetime) -> AlertStatus:
        """Look, keep what has changed and return what goes on; ElasticsearchError where that cannot be done."""
        look = self._store.look([alert_query(alert, instants.text(now)) for alert in self._alerts])
        answered = zip(self._alerts, look.answers, strict=True)
        found = [breach for alert, answer in answered for breach in breaches(alert, answer)]
        firings = evaluate(self._alerts, found, look.firings, now)
        if not self._store.keep(look, firings, now):
            # Another agent has looked at the same moment, and told what it found.
            return self._watched(look.firings)
        self._tell(look.firings, firings)
        return self._watched(firings)

    def _watched(self, firings: Iterable[Firing]) -> AlertStatus:
        states = {state: [each for each in firings if each.state == state] for state in (STATE_PENDING, STATE_ACTIVE)}
        counts = Counter(each.rule for each in states[STATE_ACTIVE])
        holders = {name for alert in self._alerts for name in alert.inhibited_by}
        return AlertStatus(
            len(states[STATE_PENDING]),
            [summary(each) for each in states[STATE_ACTIVE]],
            {alert.id: float(counts[alert.id]) for alert in self._alerts},
            sorted(holders & {each.rule for found in states.values() for each in found}),
        )

    def _tell(self, earlier: Iterable[Firing], firings: Iterable[Firing]) -> None:
        before = {each.id: each for each in earlier}
        for each in firings:
            old = before.get(each.id)
            if old is None or (old.state, old.inhibited_by) != (each.state, each.inhibited_by):
                tell = self._log.warning if each.state == STATE_ACTIVE else self._log.info
                tell(f"alert {each.state}", **summary(each))


def summary(firing: Firing) -> dict[str, object]:
    """Return what is told of a firing where there is room for a few fields only."""
    document = firing.document()
    names = ("severity", "model_name", "model_version", "measure", "value", "limit", "inhibited_by")
    told = {"since": document["event"]["start"], **{name: document.get(name) for name in names}}
    return {"alert": firing.rule, **{name: value for name, value in told.items() if value not in (None, [])}}
