"""`monitor-agent stack`: start, stop and check Elasticsearch, wherever it comes from."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from monitor_agent.cli._output import add_json, print_json, print_line
from monitor_agent.errors import StackError
from monitor_agent.extras import require
from monitor_agent.settings import Settings
from monitor_agent.stack.compose import ComposeProvider
from monitor_agent.stack.embedded.elasticsearch import components_of_start
from monitor_agent.stack.native_users import create_users
from monitor_agent.stack.provider import StackProvider
from monitor_agent.stack.providers import PROVIDERS, make_provider

NOT_RUNNING = 1


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("stack", help="start, stop and check Elasticsearch")
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    up = actions.add_parser("up", help="start Elasticsearch; Ctrl-C stops it")
    up.add_argument(
        "--detach", "-d", action="store_true", help="return when Elasticsearch is ready, and leave it running"
    )
    up.add_argument("--show-passwords", action="store_true", help="print the passwords of the users as well")
    up.add_argument(
        "--tls", action="store_true", help="containers only: encrypt all connections, from now on (docs/containers.md)"
    )
    up.add_argument("--background", action="store_true", help=argparse.SUPPRESS)
    down = actions.add_parser("down", help="stop the Elasticsearch that was started with --detach")
    status = actions.add_parser("status", help="report whether Elasticsearch runs; the exit status is 1 if it does not")
    logs = actions.add_parser("logs", help="print the logs of Elasticsearch")
    logs.add_argument("--follow", "-f", action="store_true", help="print new lines until Ctrl-C")
    logs.add_argument("component", nargs="?", default="", help="a component such as elasticsearch (default: all)")
    actions.add_parser("users", help="create the product's roles and users on the cluster at ELASTICSEARCH_URL")
    add_json(status)
    for action in (up, down, status, logs):
        action.add_argument(
            "--provider", choices=PROVIDERS, help="where Elasticsearch comes from (default: STACK_PROVIDER)"
        )
        action.add_argument("--data", metavar="DIR", help="data folder of the embedded stack (default: STACK_DATA_DIR)")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action; return 1 if `status` finds a component that does not run."""
    if args.action == "users":
        create_users(settings, print_line)
        return 0
    settings = with_arguments(settings, args)
    provider = make_provider(settings, print_line)
    if args.action == "up" and args.tls:
        if not isinstance(provider, ComposeProvider):
            raise StackError("--tls is for the containers", "add --provider compose")
        provider.tls = True
    if args.action == "up":
        require("stack up", *components_of_start(settings.stack))
        if args.background:
            run_background(settings)
        else:
            provider.up(detach=args.detach, show_passwords=args.show_passwords)
    elif args.action == "down":
        print_line("stopped" if provider.down() else "nothing to stop")
    elif args.action == "logs":
        provider.logs(args.component, follow=args.follow)
    else:
        return _print_status(provider, as_json=args.json)
    return 0


def _print_status(provider: StackProvider, *, as_json: bool) -> int:
    components = provider.status()
    if as_json:
        print_json([dataclasses.asdict(component) for component in components])
    else:
        for component in components:
            state = "running" if component.running else "not running"
            print_line(f"{component.name}: {state}, {component.detail}")
    return 0 if components and all(component.running for component in components) else NOT_RUNNING


def with_arguments(settings: Settings, args: argparse.Namespace) -> Settings:
    """Return the settings; values of the command line replace those of the settings."""
    changes = {"provider": args.provider, "data_dir": args.data}
    overrides = {name: value for name, value in changes.items() if value}
    return dataclasses.replace(settings, stack=dataclasses.replace(settings.stack, **overrides))


def run_background(settings: Settings) -> None:
    """Run a detached stack in this process; its output is a log, so it contains no passwords."""
    from monitor_agent.stack.embedded.provider import EmbeddedProvider

    EmbeddedProvider(settings.stack, print_line).run(announce=False)
