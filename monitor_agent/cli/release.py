"""`monitor-agent release`: tell that a version went live; without arguments, list what is known."""

from __future__ import annotations

import argparse
from typing import Any

from monitor_agent.cli._agent import gateway_of, moment
from monitor_agent.cli._output import add_json, print_json, say, show
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.release import SOURCE_COMMAND
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.release_store import ReleaseStore
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.releases import Release
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("release", help="tell that a version went live, or list the releases")
    parser.add_argument("--model", default="", help="the model")
    parser.add_argument("--version", default="", help="the version that went live")
    parser.add_argument("--at", type=moment, metavar="TIME", help="when (default: now)")
    parser.add_argument("--note", default="", metavar="TEXT", help="what is new")
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Write the release that is told, else print those known."""
    if bool(args.model) != bool(args.version) or (not args.model and (args.at or args.note)):
        raise SettingsError("a release has a model and a version", "give both --model and --version, or no argument")
    with gateway_of(settings) as gateway:
        releases = ReleaseStore(gateway, Calendar(settings.agent), settings.agent.page_size)
        if args.model:
            told = Release(args.model, args.version, args.at or SystemClock().now(), SOURCE_COMMAND, args.note)
            written = releases.record(told)
            found = [told]
        else:
            written, found = False, releases.all()
            if not found:
                raise DataError("no release is known", "the agent records versions when it sees their predictions")
    if args.json:
        print_json([each.document() for each in found])
    elif args.model:
        word = "recorded" if written else "known already"
        say(f"{word}: {args.model} version {args.version} went live at {instants.text(found[0].at)}")
    else:
        rows = [[instants.text(each.at), each.model, each.version, each.source, each.note] for each in found]
        show("releases", ["when", "model", "version", "source", "note"], rows, left=5)
    return 0
