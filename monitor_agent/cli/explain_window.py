"""`monitor-agent explain-window`: one metrics document in words: its funnel, counts and reasons."""

from __future__ import annotations

import argparse
from typing import Any

from monitor_agent.cli._agent import history_of
from monitor_agent.cli._output import add_json, print_json, print_table
from monitor_agent.cli._times import add_time
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.errors import SettingsError
from monitor_agent.es.window_explanation import read_window
from monitor_agent.pipeline.documents import MetricsKey
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        "explain-window", help="explain one metrics document: its funnel, counts and reasons"
    )
    parser.add_argument(
        "id",
        nargs="?",
        default="",
        metavar="ID",
        help="`_id` of the document; without it, name the window by the options",
    )
    parser.add_argument("--model", default="", help="the model")
    parser.add_argument("--version", default=ALL_VERSIONS, help="the version (default: %(default)s)")
    parser.add_argument(
        "--segment", default=ALL_SEGMENT, help="the segment, such as labels.scene=search (default: %(default)s)"
    )
    parser.add_argument("--size", default="", help="the size of the window, such as 1h")
    add_time(parser, "--start", help="a moment in the window")
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the explanation.

    Raises
    ------
    DataError
        If there is no such document.
    """
    with history_of(settings, "explain-window", args.model) as (history, rules):
        window = read_window(history, rules, args.id or _identifier(args, rules))
    if args.json:
        document, restatements = dict(window.document), list(window.restatements)
        document.pop("state_blob")
        for restatement in restatements:
            restatement["document"].pop("state_blob", None)
        rest = {"document": document, "restatements": restatements, "not_counted": window.not_counted}
        print_json({"id": window.id, **rest})
        return 0
    for section in window.sections():
        print_table(f"\n{section.title}", ["", "", ""], section.lines, left=3)
    return 0


def _identifier(args: argparse.Namespace, rules: SettingsByModel) -> str:
    if not args.model or not args.size or args.start is None:
        raise SettingsError("no window is named", "give an ID, or --model, --size and --start")
    moment = args.start.at(SystemClock().now())
    calendar = Calendar(rules.settings_at(args.model, moment))
    if args.size not in calendar.names:
        raise SettingsError(f"--size {args.size} is unknown", f"use one of {', '.join(calendar.names)}")
    window = calendar.window(args.size, moment)
    key = MetricsKey(args.model, args.version, args.segment, window)
    return key.id
