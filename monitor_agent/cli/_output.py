"""What the commands that answer questions share: tables for people, JSON for programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 160
NOTHING = "-"


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def print_json(what: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(orjson.dumps(what, option=orjson.OPT_INDENT_2).decode() + "\n")


def say(line: str) -> None:
    """Print a line as it is."""
    _console().print(line, markup=False, highlight=False, soft_wrap=True)


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> None:
    """Print a table.

    Parameters
    ----------
    left : how many columns, from the first, are text.
    """
    table = Table(
        title=title, title_justify="left", title_style="bold", pad_edge=False, box=None, show_header=any(columns)
    )
    for position, name in enumerate(columns):
        table.add_column(name, justify="left" if position < left else "right", no_wrap=position < len(columns) - 1)
    for row in rows:
        table.add_row(*row)
    _console().print(table, markup=False, highlight=False)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number for a table.

    >>> number(0.00123456), number(None), number(3)
    ('0.001235', '-', '3')
    """
    if value is None:
        return NOTHING
    return str(value) if isinstance(value, int) else f"{value:.{digits}g}"


def interval(low: float | None, high: float | None) -> str:
    """Return both ends of an interval; empty where there is none."""
    return "" if low is None or high is None else f"{number(low, 3)}..{number(high, 3)}"


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console
