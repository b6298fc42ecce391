"""`monitor-agent backfill`: join and compute a past range again."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from monitor_agent.cli._agent import agent_of, in_words, moment
from monitor_agent.clock import FixedClock, SystemClock
from monitor_agent.errors import SettingsError
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("backfill", help="join and compute a past range again")
    parser.add_argument("--from", dest="start", type=moment, required=True, metavar="TIME", help="first moment")
    parser.add_argument(
        "--to", dest="end", type=moment, required=True, metavar="TIME", help="the moment after the last"
    )
    parser.add_argument("--now", type=moment, metavar="TIME", help="take this for the present, for old logs")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Compute the range and say what was done."""
    if args.start >= args.end:
        raise SettingsError("--from is not before --to", "give a range such as --from 2026-11-01 --to 2026-11-08")
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} windows"),
        TimeElapsedColumn(),
    )
    with (
        agent_of(settings, FixedClock(args.now) if args.now else SystemClock()) as agent,
        Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bars,
    ):
        task = bars.add_task("backfill", total=None)

        def advance(day: datetime, windows: int) -> None:
            bars.update(task, description=f"{day:%Y-%m-%d}", advance=windows)

        report = agent.backfill(args.start, args.end, advance)
    print(in_words(report))
    return 0
