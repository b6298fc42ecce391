"""The formats of a table that a command makes: for people, for programs, and as a file for analysts."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor_agent.analysis.tables import columns_of, flat, parquet_file
from monitor_agent.contracts.index_contract import date, long
from monitor_agent.contracts.performance import PERFORMANCE, STATES
from monitor_agent.errors import SettingsError
from monitor_agent.extras import ANALYSIS, require
from monitor_agent.files import replace_file, written_out

TABLE, JSON, CSV, PARQUET = "table", "json", "csv", "parquet"
_FIELDS = {
    "first_window": date("start of the first window"),
    "last_window_end": date("end of the last window (exclusive)"),
    **{f"windows.{state}": long(f"windows with the state `{state}`") for state in STATES},
}


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add `--format`, `--json` and `--out`."""
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument(
        "--format", choices=(TABLE, JSON, CSV, PARQUET), default=TABLE, help="format of the output (default: table)"
    )
    formats.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="file for csv or parquet (default for csv: standard output)"
    )


def chosen_format(args: argparse.Namespace) -> str:
    """Return the format that the arguments name.

    Raises
    ------
    SettingsError
        If the format needs a file, or does not go into one.
    MissingPackageError
        If the format needs a package that is not installed.
    """
    name: str = JSON if args.json else args.format
    if name == PARQUET:
        require("--format parquet", ANALYSIS)
        if args.out is None:
            raise SettingsError("--format parquet needs a file", "add --out totals.parquet")
    if name in (TABLE, JSON) and args.out is not None:
        raise SettingsError(f"--out is for csv and parquet, not for {name}", "add --format csv, or remove --out")
    return name


def write_csv(documents: Sequence[Mapping[str, Any]], path: Path | None) -> None:
    """Write documents of metrics as CSV (RFC 4180, UTF-8): one column for each field, no value = null.

    Parameters
    ----------
    path : None = standard output.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    rows = [dict(flat(document)) for document in documents]
    names = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names))
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    if path is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        _replace(path, content)


def write_parquet(documents: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write documents of metrics as a Parquet file, with the columns of `monitor_agent.analysis`.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    rows = [dict(flat(document)) for document in documents]
    fields = {**_FIELDS, **columns_of(PERFORMANCE)}
    names = {name for row in rows for name in row}
    _replace(path, parquet_file(rows, {name: entry for name, entry in fields.items() if name in names}))


def _replace(path: Path, content: bytes) -> None:
    with written_out(path):
        replace_file(path, content)
