"""`monitor-agent once`: one cycle, then the end."""

from __future__ import annotations

import argparse
from typing import Any

from monitor_agent.cli._agent import agent_of, in_words, moment
from monitor_agent.clock import FixedClock, SystemClock
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("once", help="run one cycle: join, compute, write")
    parser.add_argument("--now", type=moment, metavar="TIME", help="take this for the present, for old logs")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run one cycle and say what it did."""
    with agent_of(settings, FixedClock(args.now) if args.now else SystemClock()) as agent:
        print(in_words(agent.cycle()))
    return 0
