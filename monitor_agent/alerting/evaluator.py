"""The evaluation of all alerts, once in a cycle, by the agent that holds the rest of the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from monitor_agent.alerting.alert_store import AlertStore
from monitor_agent.alerting.conditions import alert_query, breaches, measurement_query, staying_open
from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firings import Firing, Group, evaluate, waiting
from monitor_agent.alerting.look_back import fitted
from monitor_agent.contracts.alert import GROUP_FIELDS, STATE_ACTIVE, STATE_PENDING
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.state_store import OWNER, StateStore
from monitor_agent.pipeline import instants
from monitor_agent.settings import AgentSettings


@dataclass(frozen=True)
class AlertStatus:
    """The state of the firings after an evaluation.

    Attributes
    ----------
    pending : how many firings are pending.
    active : a summary of each firing that is active.
    active_by_rule : how many firings of each alert are active; 0 if none is.
    inhibiting : the alerts that inhibit others now.
    """

    pending: int
    active: Sequence[Mapping[str, object]]
    active_by_rule: Mapping[str, float]
    inhibiting: Sequence[str]


class AlertEvaluator:
    """Evaluates every alert and writes its firings; has no state of its own between two evaluations."""

    def __init__(self, gateway: Gateway, alerts: Sequence[Alert], name: str = OWNER) -> None:
        self._store = AlertStore(gateway, StateStore(gateway, name))
        self._alerts = [alert for alert in alerts if alert.agent]
        self._log = structlog.get_logger()

    def evaluate(self, now: datetime, settings: Sequence[AgentSettings] = ()) -> AlertStatus:
        """Evaluate all alerts, write what has changed and return the status.

        Parameters
        ----------
        settings : those of each group of models, which the alerts are fitted to; empty = the alerts are as they are.

        Raises
        ------
        ElasticsearchError
            If Elasticsearch cannot be searched or written.
        """
        alerts = fitted(self._alerts, *settings) if settings else self._alerts
        due = instants.text(now)
        readings = self._store.read([alert_query(alert, due) for alert in alerts])
        answered = zip(alerts, readings.answers, strict=True)
        all_breaches = [breach for alert, answer in answered for breach in breaches(alert, answer)]
        holding = self._staying_open(alerts, waiting(readings.firings, all_breaches), due)
        firings = evaluate(alerts, all_breaches, readings.firings, now, holding)
        if not self._store.write(readings, firings, now):
            # Another agent has evaluated the alerts at the same moment, and has logged the changes.
            return self._status(readings.firings)
        self._log_changes(readings.firings, firings)
        return self._status(firings)

    def _staying_open(self, alerts: Sequence[Alert], firings: Iterable[Firing], due: str) -> set[tuple[str, Group]]:
        """Return the alerts and groups of those firings that do not recover."""
        by_id = {alert.id: alert for alert in alerts}
        queries = {
            firing.key: query
            for firing in firings
            if firing.rule in by_id and (query := measurement_query(by_id[firing.rule], firing.group, due)) is not None
        }
        answers = self._store.answers(list(queries.values()))
        return {key for key, answer in zip(queries, answers, strict=True) if staying_open(answer)}

    def _status(self, firings: Sequence[Firing]) -> AlertStatus:
        pending, active = (
            [firing for firing in firings if firing.state == state] for state in (STATE_PENDING, STATE_ACTIVE)
        )
        counts = Counter(firing.rule for firing in active)
        inhibitors = {name for alert in self._alerts for name in alert.inhibited_by}
        return AlertStatus(
            len(pending),
            [summary(firing) for firing in active],
            {alert.id: float(counts[alert.id]) for alert in self._alerts},
            sorted(inhibitors & {firing.rule for firing in [*pending, *active]}),
        )

    def _log_changes(self, earlier: Iterable[Firing], firings: Iterable[Firing]) -> None:
        before = {firing.id: firing for firing in earlier}
        for firing in firings:
            old = before.get(firing.id)
            if old is None or (old.state, old.inhibited_by) != (firing.state, firing.inhibited_by):
                log = self._log.warning if firing.state == STATE_ACTIVE else self._log.info
                log(f"alert {firing.state}", **summary(firing))


def summary(firing: Firing) -> dict[str, object]:
    """Return the few fields of a firing that a log line and the health page have room for."""
    document = firing.document()
    names = ("severity", *GROUP_FIELDS, "measure", "value", "limit", "inhibited_by")
    fields = {"since": document["event"]["start"], **{name: document.get(name) for name in names}}
    return {"alert": firing.rule, **{name: value for name, value in fields.items() if value not in (None, [])}}
