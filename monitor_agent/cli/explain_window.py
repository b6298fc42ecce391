"""`monitor-agent explain-window`: one metrics document in words: its funnel, counts and reasons."""

from __future__ import annotations

import argparse
from typing import Any

from monitor_agent.cli._agent import history_of, moment
from monitor_agent.cli._output import add_json, print_json, show
from monitor_agent.contracts.performance import ALL_SEGMENT, ALL_VERSIONS
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.pipeline.documents import Key
from monitor_agent.pipeline.explanation import explain
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("explain-window", help="one metrics document in words: funnel, counts, reasons")
    parser.add_argument("id", nargs="?", default="", metavar="ID", help="`_id` of the document, or tell what it is of:")
    parser.add_argument("--model", default="", help="the model")
    parser.add_argument("--version", default=ALL_VERSIONS, help="its version (%(default)s)")
    parser.add_argument("--segment", default=ALL_SEGMENT, help="such as labels.scene=search (%(default)s)")
    parser.add_argument("--size", default="", help="size of the window, such as 1h")
    parser.add_argument("--start", type=moment, metavar="TIME", help="a moment in the window")
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the explanation; an error where there is no such document."""
    calendar = Calendar(settings.agent)
    identifier = args.id or _identifier(args, calendar)
    with history_of(settings) as history:
        document = history.document(identifier)
        if document is None:
            raise DataError(
                f"there is no metrics document {identifier}", "see model_performance, or give --model, --size, --start"
            )
        restatements = history.restatements(identifier)
    if args.json:
        document.pop("state_blob")
        for each in restatements:
            each["document"].pop("state_blob", None)
        print_json({"id": identifier, "document": document, "restatements": restatements})
        return 0
    for section in explain(identifier, document, restatements, calendar, settings.agent):
        show(f"\n{section.title}", ["", "", ""], section.lines, left=3)
    return 0


def _identifier(args: argparse.Namespace, calendar: Calendar) -> str:
    if not args.model or not args.size or args.start is None:
        raise SettingsError("no window is named", "give an ID, or --model, --size and --start")
    if args.size not in calendar.names:
        raise SettingsError(f"--size {args.size} is unknown", f"use one of {', '.join(calendar.names)}")
    window = calendar.window(args.size, args.start)
    key = Key(args.model, args.version, args.segment, window)
    return key.id
