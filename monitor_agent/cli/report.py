"""`monitor-agent report`: dashboards with their data as one file, for mail and for the archive."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from monitor_agent.cli._output import print_line
from monitor_agent.cli._times import add_shown_range
from monitor_agent.clock import SystemClock
from monitor_agent.errors import SettingsError
from monitor_agent.es.gateway import Gateway, connect
from monitor_agent.settings import Settings


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
    add_shown_range(parser, "that of each dashboard")
    parser.add_argument(
        "--set",
        dest="chosen",
        action="append",
        default=[],
        metavar="CONTROL=VALUE",
        help="choose a value in a control, such as window=1d; may be repeated",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the file to write: .html, .png, .pdf or .svg"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="data folder of an embedded stack, which is started if it does not run"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Write the report."""
    from monitor_agent.dashboards.reports import ReportContent, report
    from monitor_agent.stack.read_access import read_access

    chosen = choices(args.chosen)
    with (
        read_access(settings, args.data, print_line) as elasticsearch,
        closing(Gateway(connect(elasticsearch))) as gateway,
    ):
        report(
            gateway,
            Path(settings.kibana.folder),
            args.out,
            SystemClock().now(),
            ReportContent(
                dashboards=args.dashboard,
                start=args.start.text if args.start else "",
                end=args.end.text if args.end else "",
                control_values=chosen,
            ),
        )
    print_line(f"written to {args.out}")
    return 0


def choices(texts: Sequence[str]) -> dict[str, list[str]]:
    """Return control -> values of `control=value` texts.

    Raises
    ------
    SettingsError
        If a text has another form.

    >>> choices(["window=1d", "version=1", "version=2"])
    {'window': ['1d'], 'version': ['1', '2']}
    """
    values: dict[str, list[str]] = {}
    for text in texts:
        control, sign, value = text.partition("=")
        if not sign:
            raise SettingsError(f"--set {text} is malformed", "write control=value, such as window=1d")
        values.setdefault(control, []).extend([value] if value else [])
    return values
