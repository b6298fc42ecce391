"""What the programs `monitor-agent` and `model-server` share on their command lines: `--version` and completion."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import shtab

PACKAGE = "model-monitor"


class VersionAction(argparse.Action):
    """Prints the program's name and version, and exits; the package's metadata is read only then."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_arguments: object) -> NoReturn:
        """Print the version and exit."""
        sys.stdout.write(f"{parser.prog} {metadata.version(PACKAGE)}\n")
        parser.exit()


def add_completion(subparsers: Any) -> None:
    """Add the command `completion` and its arguments."""
    parser = subparsers.add_parser("completion", help="print the completion script of a shell")
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="the shell that reads the script")


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
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
