"""A running agent: its cycles with leases around them, its health, and a document about each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from monitor_agent.agent.cycle import Agent
from monitor_agent.agent.health import Health
from monitor_agent.agent.report import Report
from monitor_agent.alerting.evaluator import AlertEvaluator, AlertStatus
from monitor_agent.clock import Clock
from monitor_agent.contracts.cycle import OUTCOME_DONE, OUTCOME_FAILED, STATUS_GREEN, STATUS_RED
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.cycle_store import CycleStore
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.leases import Leases
from monitor_agent.es.line_check import LineCheck, MissingLines
from monitor_agent.es.state_store import OWNER, StateStore
from monitor_agent.pipeline.lease_table import REMAINDER, Assignment
from monitor_agent.settings import AgentSettings

EVERYTHING_ELSE = "*"
"""How documents name the share of whatever no lease names."""

Document = dict[str, Any]


class Service:
    """One agent's cycles.

    Parameters
    ----------
    leases : None = every cycle does everything, whoever holds a lease.
    name : the agent's own, which no other one has.
    alerting : None = no alerts are looked for.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: AgentSettings,
        clock: Clock,
        health: Health,
        agent: Agent,
        leases: Leases | None = None,
        name: str = OWNER,
        alerting: AlertEvaluator | None = None,
    ) -> None:
        self._gateway = gateway
        self._settings = settings
        self._clock = clock
        self._health = health
        self._agent = agent
        self._leases = leases
        self._name = name
        self._alerting = alerting
        self._cycles = CycleStore(gateway)
        self._lines = LineCheck(gateway, StateStore(gateway), settings)
        self._log = structlog.get_logger()

    def step(self) -> None:
        """Run one cycle; trouble with Elasticsearch ends it, and the next one does what is left."""
        try:
            self.cycle()
        except ElasticsearchError as error:
            self._log.error("the cycle failed and will be tried again", reason=str(error))

    def cycle(self) -> Report:
        """Run one cycle and write its document; ElasticsearchError where it cannot be done."""
        began, failed_before = self._clock.now(), self._health.failed_in_a_row
        self._health.began()
        try:
            share = self._share()
            report = self._agent.cycle(share=share)
            if self._leases is not None and report.models:
                self._leases.renew(report.models)
            flow = self._cycles.flow(self._clock.now())
            lines, watched = self._watch(share)
        except ElasticsearchError as error:
            self._health.failed(str(error))
            self._record_failure(began, str(error), failed_before)
            raise
        self._health.done(report)
        figures = {"cycle_seconds": report.seconds, **flow.figures(), **_line_figures(lines)}
        self._health.observe(figures)
        if watched is None:
            self._health.alerted({}, [])
        else:
            self._health.alerted(watched.active_by_rule, watched.active)
        document: Document = {
            "outcome": OUTCOME_DONE,
            "failed_before": failed_before,
            "shares": _named(share),
            "overrun": report.seconds > self._settings.period.total_seconds(),
            "windows": report.tally.windows,
            "merged": report.tally.merged,
            "written": report.tally.written,
            "restated": report.tally.restated,
            "requests": report.requests,
            **{f"feedback_{status}": count for status, count in report.feedback.items()},
            **figures,
            **_verdicts(lines, watched),
        }
        try:
            self._write(began, document)
        except ElasticsearchError as error:
            self._health.failed(str(error))
            raise
        return report

    def _watch(self, share: Assignment | None) -> tuple[MissingLines | None, AlertStatus | None]:
        """Check the lines and look for alerts, where that is this agent's."""
        if share is not None and not share.remainder:
            return None, None
        lines = self._lines.check(self._clock.now())
        return lines, None if self._alerting is None else self._alerting.evaluate(self._clock.now())

    def _share(self) -> Assignment | None:
        if self._leases is None:
            return None
        if self._leases.assignment() is None:
            self._leases.renew()
        return self._leases.assignment() or Assignment(remainder=False)

    def _record_failure(self, began: datetime, reason: str, failed_before: int) -> None:
        document = {"outcome": OUTCOME_FAILED, "failed_before": failed_before}
        try:
            self._write(began, document)
        except ElasticsearchError as error:
            self._log.warning("the failed cycle could not be recorded", reason=str(error), cause=reason)

    def _write(self, began: datetime, document: Document) -> None:
        reasons = self._health.reasons()
        status = STATUS_RED if reasons else STATUS_GREEN
        self._cycles.write(began, self._name, {**document, "status": status, "reasons": reasons})


def _named(share: Assignment | None) -> list[str]:
    if share is None:
        return [EVERYTHING_ELSE]
    return [EVERYTHING_ELSE if name == REMAINDER else name for name in share.lease_names]


def _line_figures(lines: MissingLines | None) -> dict[str, float]:
    if lines is None:
        return {}
    return {"writers": lines.writers, "pending_lines": lines.pending, "lost_lines": lines.lost}


def _verdicts(lines: MissingLines | None, watched: AlertStatus | None) -> Document:
    if lines is None:
        return {}
    if watched is None:
        return {"quality_inhibited": lines.lost > 0}
    return {
        "quality_inhibited": lines.lost > 0 or bool(watched.inhibiting),
        "inhibited_by": watched.inhibiting,
        "alerts_pending": watched.pending,
        "alerts_active": len(watched.active),
    }
