"""A running agent: its cycles with leases around them, its health, and a document about each cycle."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from monitor_agent.agent.alert_steps import AlertSteps
from monitor_agent.agent.cycle import Agent
from monitor_agent.agent.health import Health
from monitor_agent.agent.report import CycleReport
from monitor_agent.agent.stores import log_failures
from monitor_agent.alerting.evaluator import AlertStatus
from monitor_agent.clock import Clock
from monitor_agent.contracts.cycle import OUTCOME_DONE, OUTCOME_FAILED, STATUS_GREEN, STATUS_RED
from monitor_agent.errors import ElasticsearchError, StoppedError, in_one_line
from monitor_agent.es.cycle_store import CycleStore
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.leases import Leases
from monitor_agent.es.line_check import LineCheck, MissingLines
from monitor_agent.es.state_store import OWNER, StateStore
from monitor_agent.notifying.notifier import NotificationStatus
from monitor_agent.pipeline.failure_scopes import FailureScopes
from monitor_agent.pipeline.lease_table import REMAINDER, Assignment
from monitor_agent.settings import AgentSettings

REMAINDER_NAME = "*"
"""How the cycles' documents name the lease on everything that no other lease names."""

Document = dict[str, Any]


@dataclass
class _Findings:
    """What the checks of a cycle have found; None = not this agent's work, or the check failed."""

    lines: MissingLines | None = None
    alerts: AlertStatus | None = None
    notifications: NotificationStatus | None = None
    flow: dict[str, float] = field(default_factory=dict)


class Service:
    """The cycles of one agent.

    Parameters
    ----------
    leases : the agent's leases; None = every cycle does all work, whichever agents hold leases.
    alerts : evaluates the alerts and tells people; None = no alert is evaluated.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: AgentSettings,
        clock: Clock,
        health: Health,
        agent: Agent,
        leases: Leases | None = None,
        alerts: AlertSteps | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._health = health
        self._agent = agent
        self._leases = leases
        self._name = OWNER if leases is None else leases.name
        self._alerts = alerts
        self._cycles = CycleStore(gateway)
        self._line_check = LineCheck(gateway, StateStore(gateway), settings)
        self._log = structlog.get_logger()

    def step(self) -> bool:
        """Run one cycle; whatever goes wrong, log it and leave the work to the next cycle.

        Returns
        -------
        False if the reason of a failure is not trouble with Elasticsearch: then a pause is better than a new cycle.

        Raises
        ------
        StoppedError
            If the process was asked to stop.
        """
        try:
            self.cycle()
        except StoppedError:
            raise
        except ElasticsearchError as error:
            self._log.error("the cycle failed and will be tried again", reason=str(error))
        except Exception as error:  # noqa: BLE001 - no defect ends the agent
            self._log.error("the cycle failed and will be tried again", reason=in_one_line(error), exc_info=True)
            return False
        return True

    def cycle(self) -> CycleReport:
        """Run one cycle and write its document; what fails for one model is in the report, the others go on.

        Raises
        ------
        ElasticsearchError
            If Elasticsearch is in trouble.
        """
        began, failed_before = self._clock.now(), self._health.failed_in_a_row
        self._health.began()
        try:
            assignment = self._assignment()
            report = self._agent.cycle(assignment=assignment)
            if self._leases is not None and report.models:
                self._leases.renew(report.models)
            findings = self._check(assignment, report)
        except StoppedError:
            raise
        except Exception as error:
            self._health.failed(in_one_line(error))
            self._record_failure(began, in_one_line(error), failed_before)
            raise
        self._health.done(report)
        figures = {"cycle_seconds": report.seconds, **findings.flow, **_line_figures(findings.lines)}
        self._health.set_figures(figures)
        self._health.set_not_counted(report.not_counted or {})
        if findings.alerts is None:
            self._health.set_alerts({}, [])
        else:
            self._health.set_alerts(findings.alerts.active_by_rule, findings.alerts.active)
        notifications = findings.notifications or NotificationStatus()
        self._health.set_notifications(notifications.failing, notifications.sent, notifications.failed)
        document: Document = {
            "outcome": OUTCOME_DONE,
            "failed_models": report.failed_models,
            "failed_before": failed_before,
            "shares": _lease_names(assignment),
            "overrun": report.seconds > self._settings.period.total_seconds(),
            "windows": report.tally.windows,
            "merged": report.tally.merged,
            "written": report.tally.written,
            "restated": report.tally.restated,
            "requests": report.requests,
            **{f"feedback_{status}": count for status, count in report.feedback.items()},
            **figures,
            **_not_counted(report),
            **_alert_fields(findings.lines, findings.alerts),
            **_channel_fields(findings.notifications),
        }
        try:
            self._write(began, document)
        except ElasticsearchError as error:
            self._health.failed(str(error))
            raise
        return report

    def _check(self, assignment: Assignment | None, report: CycleReport) -> _Findings:
        """Check for lost lines, evaluate the alerts and tell people, if that is this agent's work; measure the flow."""
        findings, now = _Findings(), self._clock.now()
        scopes = FailureScopes()
        if self._alerts is not None:
            with scopes.step("the verdicts"):
                self._agent.judge(assignment)
        if assignment is None or assignment.remainder:
            with scopes.step("the check for lost lines"):
                findings.lines = self._line_check.check(now, self._agent.patient)
            if self._alerts is not None:
                with scopes.step("the evaluation of the alerts"):
                    findings.alerts = self._alerts.evaluator.evaluate(now, self._agent.settings)
            if self._alerts is not None and self._alerts.notifier is not None:
                with scopes.step("the notifications"):
                    findings.notifications = self._alerts.notifier.notify(self._clock.now(), self._agent.settings)
        with scopes.step("the measurement of the flow of events"):
            findings.flow = self._cycles.flow(now).figures()
        log_failures(scopes.failures.values())
        report.failures += scopes.failures.values()
        return findings

    def _assignment(self) -> Assignment | None:
        if self._leases is None:
            return None
        if self._leases.assignment() is None:
            self._leases.renew()
        return self._leases.assignment() or Assignment(remainder=False)

    def _record_failure(self, began: datetime, reason: str, failed_before: int) -> None:
        document = {"outcome": OUTCOME_FAILED, "failed_before": failed_before}
        try:
            self._write(began, document)
        except (ElasticsearchError, StoppedError) as error:
            self._log.warning("the failed cycle could not be recorded", reason=str(error), cause=reason)

    def _write(self, began: datetime, document: Document) -> None:
        reasons = self._health.reasons()
        status = STATUS_RED if reasons else STATUS_GREEN
        self._cycles.write(began, self._name, {**document, "status": status, "reasons": reasons})


def _lease_names(assignment: Assignment | None) -> list[str]:
    if assignment is None:
        return [REMAINDER_NAME]
    return [REMAINDER_NAME if name == REMAINDER else name for name in assignment.lease_names]


def _not_counted(report: CycleReport) -> Document:
    if report.not_counted is None:
        return {}
    return {"not_counted": report.not_counted.total(), "not_counted_by_reason": dict(report.not_counted)}


def _line_figures(lines: MissingLines | None) -> dict[str, float]:
    if lines is None:
        return {}
    return {"writers": lines.writers, "pending_lines": lines.pending, "lost_lines": lines.lost}


def _alert_fields(lines: MissingLines | None, alert_status: AlertStatus | None) -> Document:
    if lines is None:
        return {}
    if alert_status is None:
        return {"quality_inhibited": False}
    return {
        "quality_inhibited": bool(alert_status.inhibiting),
        "inhibited_by": alert_status.inhibiting,
        "alerts_pending": alert_status.pending,
        "alerts_active": len(alert_status.active),
    }


def _channel_fields(status: NotificationStatus | None) -> Document:
    if status is None:
        return {}
    return {"failing_channels": sorted(status.failing), "channels_failing": len(status.failing)}
