"""`monitor-agent completion`: print the script with which a shell completes commands and options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import shtab

from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("completion", help="print the completion script of a shell")
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="the shell that reads the script")


def run(args: argparse.Namespace, _settings: Settings) -> int:
    """Print the script for all commands of `monitor-agent`."""
    from monitor_agent.cli import make_parser

    print(script(make_parser(), args.shell))
    return 0


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion script of a parser and its commands; arguments that are paths complete to files."""
    _complete_paths(parser)
    return shtab.complete(parser, shell=shell)


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:  # argparse has no public list of a parser's arguments
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_paths(command)
        elif action.type is Path:
            action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
