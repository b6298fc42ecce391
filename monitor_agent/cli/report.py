"""`monitor-agent report`: dashboards with their data as one file, for mail and for the archive."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

from monitor_agent.cli._controls import add_controls, control_values
from monitor_agent.cli._output import print_line
from monitor_agent.cli._times import add_shown_range
from monitor_agent.clock import SystemClock
from monitor_agent.errors import SettingsError
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.rights import require_privileges
from monitor_agent.extras import REPORTS, require
from monitor_agent.settings import Settings
from monitor_agent.stack.embedded.elasticsearch import components_of_start


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("report", help="write dashboards with their data to a page, a picture or a document")
    parser.add_argument(
        "--dashboard",
        action="append",
        default=[],
        metavar="ID",
        help="a dashboard such as model-quality; may be repeated",
    )
    add_shown_range(parser, "the range of each dashboard")
    add_controls(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the file to write: .html, .png, .pdf or .svg"
    )
    parser.add_argument(
        "--summary",
        action="store_true",
        help="write only one A4 page (.pdf): the state of all models in sentences, and the alerts",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="data folder of an embedded stack; the command starts the stack if it does not run",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Write the report."""
    require("report", REPORTS, *(components_of_start(settings.stack) if args.data else ()))
    from monitor_agent.dashboards.reports import ReportContent, report, write_summary
    from monitor_agent.stack.read_access import read_access

    if args.summary and (args.dashboard or args.control_values):
        raise SettingsError("a summary has no dashboards", "leave out --dashboard and --set, or --summary")
    start, end = (moment.text if moment else "" for moment in (args.start, args.end))
    content = ReportContent(args.dashboard, start, end, control_values(args.control_values))
    with (
        read_access(settings, args.data, print_line) as elasticsearch,
        closing(open_gateway(elasticsearch)) as gateway,
    ):
        require_privileges(gateway, "report")
        now = SystemClock().now()
        if args.summary:
            write_summary(gateway, args.out, now, start, end)
        else:
            report(gateway, Path(settings.kibana.folder), args.out, now, content)
    print_line(f"written to {args.out}")
    return 0
