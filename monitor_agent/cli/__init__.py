"""The console script `monitor-agent`: imports the command's module, reads the settings, prints an error as one line.

A command is a module of this package with `add_parser(subparsers)` and `run(args, settings) -> exit status`. `check`
gets no settings: it reads them itself, to say what is wrong with them. A command that an interruption leaves half done
says in `AFTER_INTERRUPTION` how to go on.
Only the chosen command's module is imported, so that a command starts as fast as its own imports allow.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from keyword import iskeyword
from pathlib import Path
from types import ModuleType

from monitor_agent import log, settings
from monitor_agent.command_line import CommandParser, VersionAction, run_program
from monitor_agent.contracts import command_users
from monitor_agent.errors import ElasticsearchError

COMMANDS = (
    *("demo", "up", "setup", "check", "run", "once", "backfill", "import"),
    *("totals", "compare", "reference", "explain-window", "explain-drop", "release", "lost-lines", "alerts", "models"),
    *("receive", "dashboards", "report"),
    *("stack", "pipeline", "deadletters", "kibana", "docs", "completion"),
)
UNAUTHORIZED = "is unauthorized for user"
"""Part of Elasticsearch's message if a user lacks a privilege."""


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit status: 0 success, 1 an error that one line reports, 2 wrong usage, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = _command_of(arguments) or "monitor-agent"
    return run_program(command, __package__.partition(".")[0], lambda: _run_command(arguments))


def _run_command(arguments: Sequence[str]) -> int:
    parser = make_parser(arguments)
    args = parser.parse_args(arguments, argparse.Namespace(environ=os.environ))
    log.configure("monitor-agent")
    try:
        return _run(args)
    except ElasticsearchError as error:
        raise _with_user(args, error) from error
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(args.how_to_go_on) from error


def _with_user(args: argparse.Namespace, error: ElasticsearchError) -> ElasticsearchError:
    """Return an error; if the user lacks a privilege, with the user that the command needs."""
    action = getattr(args, "action", None) or ""
    user = command_users.entry_of(f"{args.command} {action}").user if UNAUTHORIZED in error.message else ""
    if not user:
        return error
    remedy = "only a superuser may do this"
    if user != command_users.SUPERUSER and f"[{user}]" not in error.message:
        remedy = f"run this command as the user {user}"
    return ElasticsearchError(error.message, f"{remedy} (docs/users.md)")


def _run(args: argparse.Namespace) -> int:
    """Run the command with the settings, after a warning of each name in the environment that is probably misspelt.

    A command with `diagnoses` reports by itself what is wrong with the settings.
    """
    if "diagnoses" in args:
        return int(args.run(args))
    loaded = settings.load(os.environ, args.config)
    log.hide(settings.secret_values(loaded))
    names = args.names_read(args, loaded) if "names_read" in args else ()
    for warning in settings.name_warnings(os.environ, names):
        log.warn(f"{warning.finding}: {warning.remedy}")
    return int(args.run(args, loaded))


def make_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser with the command that the arguments name; with all commands if they name none."""
    parser = CommandParser(prog="monitor-agent", description="Monitoring for models that score clicks.")
    config = os.environ.get("MONITOR_CONFIG")
    parser.add_argument(
        "--config", type=Path, default=Path(config) if config else None, metavar="FILE", help="file of settings (TOML)"
    )
    parser.add_argument("--version", action=VersionAction)
    subparsers = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    command = _command_of(arguments)
    for name in COMMANDS if command is None else (command,):
        module = _module(name)
        module.add_parser(subparsers)
        how_to_go_on = getattr(module, "AFTER_INTERRUPTION", "")
        subparsers.choices[name].set_defaults(run=module.run, how_to_go_on=how_to_go_on)
    return parser


def _command_of(arguments: Sequence[str]) -> str | None:
    """Return the command that the arguments name; None if they name none."""
    value_of_option = False
    for argument in arguments:
        if not value_of_option and not argument.startswith("-"):
            return argument if argument in COMMANDS else None
        value_of_option = argument == "--config"
    return None


def _module(name: str) -> ModuleType:
    stem = name.replace("-", "_")
    return importlib.import_module(f"{__name__}.{stem}_" if iskeyword(stem) else f"{__name__}.{stem}")
