"""`monitor-agent backfill`: join and compute a past range again."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from monitor_agent.agent import backfill
from monitor_agent.cli._agent import agent_of, in_words, report_failures
from monitor_agent.cli._output import print_line
from monitor_agent.cli._times import add_range, add_time, range_at
from monitor_agent.clock import FixedClock, SystemClock
from monitor_agent.settings import Settings
from monitor_agent.vocabulary.counted_nouns import counted

AFTER_INTERRUPTION = "the same command goes on from there"


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        "backfill", help="join and compute a past range again, or continue an interrupted run"
    )
    add_range(parser, required=True)
    add_time(parser, "--now", help="time that counts as now, for old logs")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="begin at the first day, even if an interrupted run has finished some days",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Compute the range and report what was done; return 1 if a model failed."""
    present = SystemClock()
    clock = FixedClock(args.now.at(present.now())) if args.now else present
    start, end = range_at(args.start, args.end, clock.now())
    with agent_of(args, settings, "backfill", clock) as agent, _display() as report_progress:
        report = agent.backfill(start, end, report_progress, restart=args.restart)
    print_line(in_words(report))
    return report_failures(report)


@contextlib.contextmanager
def _display() -> Iterator[backfill.ProgressCallback]:
    """Yield a function that shows the progress: a bar on a terminal, else a line a day."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[days]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    reported_days: set[int] = set()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("backfill", total=None, days="")

        def report_progress(at: backfill.BackfillProgress) -> None:
            days = f"{at.done} of {counted(at.days, 'day')}" + (
                f" ({at.before} by an earlier run)" if at.before else ""
            )
            bars.update(
                task, description=f"{at.day:%Y-%m-%d}", total=at.days - at.before, completed=at.share - at.before,
                days=days,
            )  # fmt: skip
            if not console.is_terminal and at.done not in reported_days:
                reported_days.add(at.done)
                console.print(f"{at.day:%Y-%m-%d}: {days} done", soft_wrap=True, highlight=False)

        yield report_progress
