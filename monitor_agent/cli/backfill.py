"""`monitor-agent backfill`: join and compute a past range again."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from monitor_agent.agent import backfill
from monitor_agent.cli._agent import agent_of, in_words, moment
from monitor_agent.clock import FixedClock, SystemClock
from monitor_agent.errors import SettingsError
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("backfill", help="join and compute a past range again; goes on when interrupted")
    parser.add_argument("--from", dest="start", type=moment, required=True, metavar="TIME", help="first moment")
    parser.add_argument(
        "--to", dest="end", type=moment, required=True, metavar="TIME", help="the moment after the last"
    )
    parser.add_argument("--now", type=moment, metavar="TIME", help="take this for the present, for old logs")
    parser.add_argument(
        "--restart", action="store_true", help="begin at the first day, whatever an interrupted run has finished"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Compute the range and say what was done."""
    if args.start >= args.end:
        raise SettingsError("--from is not before --to", "give a range such as --from 2026-11-01 --to 2026-11-08")
    clock = FixedClock(args.now) if args.now else SystemClock()
    with agent_of(settings, clock) as agent, _display() as report_progress:
        report = agent.backfill(args.start, args.end, report_progress, restart=args.restart)
    print(in_words(report))
    return 0


@contextlib.contextmanager
def _display() -> Iterator[backfill.ProgressCallback]:
    """Yield a function that shows the progress: a bar with the time left, or a line a day where nobody watches."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[days]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    said: set[int] = set()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("backfill", total=None, days="")

        def report_progress(at: backfill.BackfillProgress) -> None:
            days = f"{at.done} of {at.days} days" + (f" ({at.before} by an earlier run)" if at.before else "")
            bars.update(
                task, description=f"{at.day:%Y-%m-%d}", total=at.days - at.before, completed=at.share - at.before,
                days=days,
            )  # fmt: skip
            if not console.is_terminal and at.done not in said:
                said.add(at.done)
                console.print(f"{at.day:%Y-%m-%d}: {days} done", soft_wrap=True, highlight=False)

        yield report_progress
