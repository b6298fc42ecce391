"""Lines and tables for people, JSON for programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import orjson
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from monitor_agent.contracts.printable import BYTES, printable

PLAIN_WIDTH = 160
LONGEST_CELL = 48
"""Longer text may be broken into lines; otherwise one long name would leave no room for the other columns."""
NOTHING = "-"


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")


def print_json(document: Any) -> None:
    """Print one JSON document, in UTF-8 whatever the locale is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def print_line(line: str) -> None:
    """Print a line, or several, at once, even into a pipe; no character in it changes the terminal."""
    print(printable(line, spared=f"\n\t{BYTES}"), flush=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> None:
    """Print a table.

    Parameters
    ----------
    left : how many columns, from the first, are text.
    """
    # A number may have its interval on a second line; a text of users is one line.
    cells = [
        [printable(cell, spared=f"\n{BYTES}" if position >= left else BYTES) for position, cell in enumerate(row)]
        for row in rows
    ]
    table = Table(
        title=title, title_justify="left", title_style="bold", pad_edge=False, box=None, show_header=any(columns)
    )
    for position, name in enumerate(columns):
        is_last = position == len(columns) - 1
        is_long = any(cell_len(row[position]) > LONGEST_CELL for row in cells)
        table.add_column(
            name,
            justify="left" if position < left else "right",
            no_wrap=not is_last and not is_long,
            overflow="fold",
        )
    for row in cells:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    console.print(table, markup=False, highlight=False)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number for a table.

    >>> number(0.00123456), number(None), number(3)
    ('0.001235', '-', '3')
    """
    if value is None:
        return NOTHING
    return str(value) if isinstance(value, int) else f"{value:.{digits}g}"


def interval(low: float | None, high: float | None) -> str:
    """Return both ends of an interval for a table; empty if it has none."""
    return "" if low is None or high is None else f"{number(low, 3)}..{number(high, 3)}"
