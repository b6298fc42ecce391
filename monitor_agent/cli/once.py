"""`monitor-agent once`: one cycle."""

from __future__ import annotations

import argparse
from typing import Any

from monitor_agent.agent.alert_steps import AlertSteps
from monitor_agent.agent.cycle import Agent
from monitor_agent.agent.health import Health
from monitor_agent.agent.service import Service
from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.alerting.evaluator import AlertEvaluator
from monitor_agent.cli._agent import in_words, prepared_gateway_of, report_failures, require_stored_settings
from monitor_agent.cli._notifier import notifier_of
from monitor_agent.cli._output import print_line
from monitor_agent.cli._times import add_time
from monitor_agent.clock import FixedClock, SystemClock
from monitor_agent.contracts.event_catalogue import EVENT_CONTRACTS
from monitor_agent.es.state_store import OWNER
from monitor_agent.settings import Settings

AFTER_INTERRUPTION = "run it again; nothing counts twice"


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("once", help="run one cycle: join, compute, write")
    add_time(parser, "--now", help="time that counts as now, for old logs")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run one cycle over everything, whoever holds a lease, and report what it did; return 1 if a model failed."""
    with prepared_gateway_of(settings, "once") as gateway:
        require_stored_settings(args, gateway, settings)
        # Without it, a search may miss the events of the last second, and no later cycle counts them.
        gateway.refresh(contract.alias for contract in EVENT_CONTRACTS)
        if args.now:
            # No cycle document and no alert: the times of a replay say nothing about today.
            report = Agent(gateway, settings.agent, FixedClock(args.now.at(SystemClock().now()))).cycle()
        else:
            clock = SystemClock()
            health = Health(settings.agent.period, lambda: gateway.trouble)
            agent = Agent(gateway, settings.agent, clock)
            alerts = load_alerts(settings.agent.alerts)
            steps = AlertSteps(AlertEvaluator(gateway, alerts), notifier_of(args, settings, gateway, alerts, OWNER))
            report = Service(gateway, settings.agent, clock, health, agent, alerts=steps).cycle()
    print_line(in_words(report))
    return report_failures(report)
