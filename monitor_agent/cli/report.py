"""`monitor-agent report`: dashboards with their data as one file, for mail and for the record."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from monitor_agent.clock import SystemClock
from monitor_agent.errors import SettingsError
from monitor_agent.es.gateway import Gateway, connect
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("report", help="write dashboards with their data to a page, picture or document")
    parser.add_argument(
        "--dashboard", action="append", default=[], metavar="ID", help="such as model-quality; may be repeated"
    )
    parser.add_argument("--from", dest="start", default="", metavar="TIME", help="now-24h, or 2026-11-23T10:00")
    parser.add_argument("--to", dest="end", default="", metavar="TIME", help="now, or a moment (UTC)")
    parser.add_argument(
        "--set",
        dest="chosen",
        action="append",
        default=[],
        metavar="CONTROL=VALUE",
        help="what a control says, such as window=1d; may be repeated",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="report.html, .png, .pdf or .svg")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="data folder of an embedded stack, started where it does not run"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Write the report."""
    from monitor_agent.dashboards.reports import report
    from monitor_agent.stack.read_access import read_access

    chosen = choices(args.chosen)
    with read_access(settings, args.data, say) as elasticsearch, closing(Gateway(connect(elasticsearch))) as gateway:
        report(
            gateway,
            Path(settings.kibana.folder),
            args.out,
            SystemClock().now(),
            dashboards=args.dashboard,
            start=args.start,
            end=args.end,
            chosen=chosen,
        )
    say(f"written to {args.out}")
    return 0


def choices(texts: Sequence[str]) -> dict[str, list[str]]:
    """Return control -> values of `control=value` texts; SettingsError for another form.

    >>> choices(["window=1d", "version=1", "version=2"])
    {'window': ['1d'], 'version': ['1', '2']}
    """
    found: dict[str, list[str]] = {}
    for each in texts:
        control, sign, value = each.partition("=")
        if not sign:
            raise SettingsError(f"--set {each} is malformed", "write control=value, such as window=1d")
        found.setdefault(control, []).extend([value] if value else [])
    return found


def say(line: str) -> None:
    """Print a line."""
    print(line, flush=True)
