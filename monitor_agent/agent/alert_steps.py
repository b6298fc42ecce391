"""What a cycle does about alerts: it evaluates them, and tells people."""

from __future__ import annotations

from dataclasses import dataclass

from monitor_agent.alerting.evaluator import AlertEvaluator
from monitor_agent.notifying.notifier import Notifier


@dataclass(frozen=True)
class AlertSteps:
    """The steps of a cycle about alerts.

    Attributes
    ----------
    notifier : tells people of firings; None = nobody is told.
    """

    evaluator: AlertEvaluator
    notifier: Notifier | None = None
