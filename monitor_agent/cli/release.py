"""`monitor-agent release`: record that a version went live, or list the releases."""

from __future__ import annotations

import argparse
from typing import Any

from monitor_agent.cli._agent import prepared_gateway_of, rules_of
from monitor_agent.cli._output import add_json, print_json, print_line, print_table
from monitor_agent.cli._times import add_time
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.model_names import problem_of_name, problem_of_version, shortened
from monitor_agent.contracts.release import SOURCE_COMMAND
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.release_store import ReleaseStore
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.releases import Release
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("release", help="record that a version went live, or list the releases")
    parser.add_argument("--model", default="", help="the model")
    parser.add_argument("--version", default="", help="the version that went live")
    add_time(parser, "--at", help="the moment when it went live (default: now)")
    parser.add_argument("--note", default="", metavar="TEXT", help="a note about the version")
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Record the release that the arguments name; without arguments, print all releases."""
    if bool(args.model) != bool(args.version) or (not args.model and (args.at or args.note)):
        raise SettingsError("a release has a model and a version", "give both --model and --version, or no argument")
    for option, name, problem_of in (
        ("--model", args.model, problem_of_name),
        ("--version", args.version, problem_of_version),
    ):
        if args.model and (problem := problem_of(name)):
            raise SettingsError(f"{option} {shortened(name)} {problem}", "give another name")
    now = SystemClock().now()
    with prepared_gateway_of(settings, "release") as gateway:
        calendar = Calendar(rules_of(gateway, settings, args.model).latest(args.model))
        store = ReleaseStore(gateway, calendar, settings.agent.page_size)
        if args.model:
            at = args.at.at(now) if args.at else now
            listed = [Release(args.model, args.version, at, SOURCE_COMMAND, args.note)]
            written = store.record(listed[0])
        else:
            written, listed = False, store.all()
            if not listed:
                raise DataError("no release is stored", "the agent records a version when its first prediction arrives")
    if args.json:
        print_json([release.document() for release in listed])
    elif args.model:
        state = "recorded" if written else "recorded before"
        print_line(f"{state}: {args.model} version {args.version} went live at {instants.text(listed[0].at)}")
    else:
        rows = [
            [instants.text(release.at), release.model, release.version, release.source, release.note]
            for release in listed
        ]
        print_table("releases", ["when", "model", "version", "source", "note"], rows, left=5)
    return 0
