"""`monitor-agent run`: a cycle every period, until a signal stops the process."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import time
from types import FrameType
from typing import Any

from monitor_agent.agent import exposition, scheduler
from monitor_agent.agent.alert_steps import AlertSteps
from monitor_agent.agent.cycle import Agent
from monitor_agent.agent.health import Health
from monitor_agent.agent.health_server import health_server
from monitor_agent.agent.heartbeat import heartbeat
from monitor_agent.agent.service import Service
from monitor_agent.agent.startup import wait_for_setup
from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.alerting.evaluator import AlertEvaluator
from monitor_agent.cli._agent import gateway_of, require_stored_settings
from monitor_agent.cli._notifier import notifier_of
from monitor_agent.clock import SystemClock
from monitor_agent.es.leases import Leases
from monitor_agent.es.retry import Backoff
from monitor_agent.es.state_store import StateStore
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    subparsers.add_parser("run", help="run a cycle every period (MONITOR_PERIOD) until SIGTERM or Ctrl-C")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run until SIGTERM or Ctrl-C; the cycle in progress ends between two requests, and the next one does the rest.

    Raises
    ------
    NotSetUpError
        If the cluster lacks index templates or settings of models.
    SettingsError
        If the environment or the file states another setting of models than the cluster.
    MissingPrivilegeError
        If the user may not do the agent's work.
    """
    stop_signal = scheduler.StopSignal()

    def finish(_number: int, _frame: FrameType | None) -> None:
        stop_signal.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, finish)
    agent_settings, clock = settings.agent, SystemClock()
    alerts = load_alerts(agent_settings.alerts)
    name = f"{platform.node()}:{os.getpid()}:{int(time.time())}"
    with (
        gateway_of(settings, sleep=stop_signal.sleep, stopping=lambda: stop_signal.stopped) as gateway,
        gateway_of(settings, Backoff(tries=1)) as heartbeat_gateway,
    ):
        health = Health(agent_settings.period, lambda: gateway.trouble or heartbeat_gateway.trouble)
        leases = Leases(StateStore(heartbeat_gateway, name), name, agent_settings.lease, clock)
        agent = Agent(gateway, agent_settings, clock, stop_signal.sleep)
        steps = AlertSteps(AlertEvaluator(gateway, alerts, name), notifier_of(args, settings, gateway, alerts, name))
        service = Service(gateway, agent_settings, clock, health, agent, leases, steps)
        with health_server(
            settings,
            health,
            lambda: exposition.metrics_text(health, gateway.requests, gateway.failures),
        ):
            wait_for_setup(
                gateway, health, agent_settings, stop_signal, lambda: require_stored_settings(args, gateway, settings)
            )
            with heartbeat(leases, agent_settings.lease, stop_signal.wake):
                scheduler.run(service.step, agent_settings.period, stop_signal)
    return 0
