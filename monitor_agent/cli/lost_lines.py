"""`monitor-agent lost-lines`: which lines of which writers have not arrived, as the agent last found."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from monitor_agent.cli._agent import gateway_of
from monitor_agent.cli._output import add_json, print_json, say, show
from monitor_agent.clock import SystemClock
from monitor_agent.durations import format_duration
from monitor_agent.es.line_check import remembered_writers
from monitor_agent.es.retry import Backoff
from monitor_agent.es.state_store import StateStore
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.sequences import Gap
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("lost-lines", help="which lines of which writers have not arrived")
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the gaps; 0 where there is none or all may still close, 1 where lines are lost."""
    now = SystemClock().now()
    with gateway_of(settings, Backoff(tries=2)) as gateway:
        writers = remembered_writers(StateStore(gateway))
    rows = [_row(name, gap, settings, now) for name, writer in sorted(writers.items()) for gap in writer.gaps]
    lost = any(row["state"] == "lost" for row in rows)
    if args.json:
        print_json(rows)
    elif rows:
        columns = ["writer", "state", "lines", "missing", "noticed", "between"]
        show("lines that have not arrived", columns, [[str(row[name]) for name in columns] for row in rows], left=6)
        say(
            f"pending ones may still come: {format_duration(settings.agent.ingest_grace)} are waited; "
            "lost ones are dead letters, or were never delivered (see the writer's file, and the pipeline's log)"
        )
    else:
        kept = format_duration(settings.agent.restatement_limit)
        say(f"no line is missing: {len(writers)} writers seen within {kept}")
    return int(lost)


def _row(name: str, gap: Gap, settings: Settings, now: datetime) -> dict[str, Any]:
    return {
        "writer": name,
        "state": "lost" if now - gap.since > settings.agent.ingest_grace else "pending",
        "lines": str(gap.first) if gap.first == gap.last else f"{gap.first} to {gap.last}",
        "missing": gap.missing,
        "noticed": instants.text(gap.since),
        "between": " and ".join(map(instants.text, gap.around)),
    }
