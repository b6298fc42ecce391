"""The agent of a replay: its cycles run by the replay's clock, with the check for lost lines and the alerts."""

from __future__ import annotations

from datetime import datetime

from monitor_agent.agent.alert_steps import AlertSteps
from monitor_agent.agent.cycle import Agent
from monitor_agent.agent.health import Health
from monitor_agent.agent.service import Service
from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.alerting.evaluator import AlertEvaluator
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.event_catalogue import EVENT_CONTRACTS
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.demo.event_lines import ReplayClock
from monitor_agent.es.gateway import Gateway
from monitor_agent.notifying.notifier import Notifier
from monitor_agent.settings import AgentSettings

SEARCHED = (*EVENT_CONTRACTS, PERFORMANCE, VERDICTS, CYCLES, ALERTS)


class ReplayedAgent:
    """One agent that runs through a past time as it would have then.

    Parameters
    ----------
    notifier : tells people of alerts after each cycle; None = nobody is told, as of any past time.
    """

    def __init__(
        self, gateway: Gateway, settings: AgentSettings, start: datetime, notifier: Notifier | None = None
    ) -> None:
        self._gateway = gateway
        self._clock = ReplayClock(start)
        self._agent = Agent(gateway, settings, self._clock)
        evaluator = AlertEvaluator(gateway, load_alerts(settings.alerts))
        health = Health(settings.period, lambda: gateway.trouble)
        self._service = Service(
            gateway, settings, self._clock, health, self._agent, alerts=AlertSteps(evaluator, notifier)
        )

    def catch_up(self, moment: datetime) -> None:
        """Join and compute everything until a moment, without alerts: they would not know the time between."""
        self._move_to(moment)
        self._agent.cycle()

    def cycle(self, moment: datetime) -> None:
        """Run the cycle of a moment: join, compute, look for lost lines, evaluate the alerts."""
        self._move_to(moment)
        self._service.cycle()

    def _move_to(self, moment: datetime) -> None:
        self._clock.moment = moment
        # A search shows what is new only after a refresh, and the next cycle of a replay does not wait for one.
        self._gateway.refresh(contract.alias for contract in SEARCHED)
