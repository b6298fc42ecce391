"""`monitor-agent run`: a cycle every period, until the process is told to stop."""

from __future__ import annotations

import argparse
import signal
import threading
from types import FrameType
from typing import Any

from monitor_agent import scheduler
from monitor_agent.cli._agent import agent_of
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    subparsers.add_parser("run", help="run a cycle every period (MONITOR_PERIOD), until stopped")


def run(_args: argparse.Namespace, settings: Settings) -> int:
    """Run until SIGTERM or Ctrl-C; the cycle in progress is finished first."""
    stop = threading.Event()

    def finish(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, finish)
    with agent_of(settings) as agent:
        scheduler.run(agent.cycle, settings.agent.period, stop)
    return 0
