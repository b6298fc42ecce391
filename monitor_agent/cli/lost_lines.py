"""`monitor-agent lost-lines`: the lines of each writer that have not arrived, as of the last check."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.cli._agent import prepared_gateway_of, rules_of
from monitor_agent.cli._output import add_json, print_json, print_line, print_table
from monitor_agent.clock import SystemClock
from monitor_agent.durations import format_duration
from monitor_agent.es.line_check import stored_writers
from monitor_agent.es.retry import Backoff
from monitor_agent.es.state_store import StateStore
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.sequences import Gap
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("lost-lines", help="list the lines of each writer that have not arrived")
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the gaps; return 1 if lines are lost, 0 if there is no gap or every gap may still close."""
    now = SystemClock().now()
    with prepared_gateway_of(settings, "lost-lines", Backoff(tries=2)) as gateway:
        writers = stored_writers(StateStore(gateway))
        agent = rules_of(gateway, settings).patient
    rows = [
        gap_object(name, gap, agent.ingest_grace, now)
        for name, writer in sorted(writers.items())
        for gap in writer.gaps
    ]
    lost = any(row["state"] == "lost" for row in rows)
    if args.json:
        print_json(rows)
    elif rows:
        columns = ["writer", "state", "lines", "missing", "noticed", "between"]
        print_table("lines that have not arrived", columns, [gap_cells(row) for row in rows], left=len(columns))
        print_line(
            f"pending: the line may still arrive, within {format_duration(agent.ingest_grace)}; "
            "lost: it is a dead letter, or was never delivered (see the writer's file, and the pipeline's log)"
        )
    else:
        period = format_duration(agent.restatement_limit)
        print_line(f"no line is missing: {len(writers)} writers were active within {period}")
    return int(lost)


def gap_object(name: str, gap: Gap, grace: timedelta, now: datetime) -> dict[str, Any]:
    """Return a gap of a writer as a JSON object."""
    return {
        "writer": name,
        "state": "lost" if gap.is_lost(now, grace) else "pending",
        "first": gap.first,
        "last": gap.last,
        "missing": gap.missing,
        "since": instants.text(gap.since),
        "around": [instants.text(moment) for moment in gap.neighbour_times],
    }


def gap_cells(row: Mapping[str, Any]) -> list[str]:
    """Return the cells of a gap in the table."""
    lines = str(row["first"]) if row["first"] == row["last"] else f"{row['first']} to {row['last']}"
    return [row["writer"], row["state"], lines, str(row["missing"]), row["since"], " and ".join(row["around"])]
