"""`monitor-agent stack`: start, stop and look at Elasticsearch, wherever it comes from."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from monitor_agent.settings import Settings
from monitor_agent.stack.native_users import create_users
from monitor_agent.stack.providers import PROVIDERS, make_provider

NOT_RUNNING = 1


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("stack", help="start, stop and look at Elasticsearch")
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    up = actions.add_parser("up", help="start it; Ctrl-C stops it")
    up.add_argument("--detach", "-d", action="store_true", help="return when it is ready; it stays up")
    up.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    down = actions.add_parser("down", help="stop what was started with --detach")
    status = actions.add_parser("status", help="say how it is; exit status 1 when it does not run")
    logs = actions.add_parser("logs", help="print the logs")
    logs.add_argument("--follow", "-f", action="store_true", help="go on as they grow")
    logs.add_argument("component", nargs="?", default="", help="such as elasticsearch; all when left out")
    actions.add_parser("users", help="create the product's roles and users on the cluster at ELASTICSEARCH_URL")
    for action in (up, down, status, logs):
        action.add_argument("--provider", choices=PROVIDERS, help="where Elasticsearch comes from")
        action.add_argument("--data", metavar="DIR", help="data folder of the embedded stack")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action; 1 when `status` finds a part that does not run."""
    if args.action == "users":
        create_users(settings, say)
        return 0
    settings = with_arguments(settings, args)
    provider = make_provider(settings, say)
    if args.action == "up":
        if args.background:
            run_background(settings)
        else:
            provider.up(detach=args.detach)
    elif args.action == "down":
        say("stopped" if provider.down() else "nothing to stop")
    elif args.action == "logs":
        provider.logs(args.component, follow=args.follow)
    else:
        parts = provider.status()
        for part in parts:
            say(f"{part.name}: {'running' if part.running else 'not running'}, {part.detail}")
        return 0 if parts and all(part.running for part in parts) else NOT_RUNNING
    return 0


def with_arguments(settings: Settings, args: argparse.Namespace) -> Settings:
    """Return `settings` with what the command line says instead."""
    changes = {"provider": args.provider, "data_dir": args.data}
    given = {name: value for name, value in changes.items() if value}
    return dataclasses.replace(settings, stack=dataclasses.replace(settings.stack, **given))


def run_background(settings: Settings) -> None:
    """Be the process that a detached stack lives in; its output is a log, so it names no passwords."""
    from monitor_agent.stack.embedded.provider import EmbeddedProvider

    EmbeddedProvider(settings.stack, say).run(announce=False)


def say(line: str) -> None:
    """Print a line at once, even into a pipe."""
    print(line, flush=True)
