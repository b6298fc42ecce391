"""Times on the command line: one form for every command, ISO 8601 or date math."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.clock import SystemClock
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.kibana.times import FORMS, check_year, moment

EPILOG = f"TIME is {FORMS}; a time without an offset is UTC."


@dataclass(frozen=True)
class TimeArgument:
    """A time as the user wrote it; date math is relative to a present that the command chooses."""

    text: str

    def at(self, now: datetime) -> datetime:
        """Return the moment (UTC)."""
        return moment(self.text, now)


def add_time(parser: argparse.ArgumentParser, flag: str, **options: Any) -> None:
    """Add an option that takes a time, and the form of times to the command's help.

    Parameters
    ----------
    flag : such as `--since`.
    options : of `add_argument`.
    """
    parser.add_argument(flag, type=_time_argument, metavar="TIME", **options)
    parser.epilog = EPILOG


def add_range(parser: argparse.ArgumentParser, *, required: bool = False, start: str = "", end: str = "") -> None:
    """Add `--from` and `--to`; the range does not include its end.

    Parameters
    ----------
    start, end : the default in words, for the help.
    """
    add_time(parser, "--from", dest="start", required=required, help=_with_default("first moment of the range", start))
    add_time(
        parser,
        "--to",
        dest="end",
        required=required,
        help=_with_default("first moment after the range", end),
    )


def add_shown_range(parser: argparse.ArgumentParser, default: str) -> None:
    """Add `--from` and `--to` as Kibana's time picker reads them: the end is included, `now/d` is the end of the day.

    Parameters
    ----------
    default : the range without them, in words, for the help.
    """
    add_time(parser, "--from", dest="start", help=_with_default("first moment of the range", default))
    add_time(parser, "--to", dest="end", help=_with_default("last moment of the range", default))


def range_at(start: TimeArgument, end: TimeArgument, now: datetime) -> tuple[datetime, datetime]:
    """Return both ends of a range.

    Raises
    ------
    SettingsError
        If the range does not end after it starts.
    """
    first, last = start.at(now), end.at(now)
    if first >= last:
        raise SettingsError("--from is not before --to", "give a range such as --from 2026-11-01 --to 2026-11-08")
    return first, last


def _with_default(help_: str, default: str) -> str:
    return f"{help_} (default: {default})" if default else help_


def _time_argument(text: str) -> TimeArgument:
    try:
        check_year(text, moment(text, SystemClock().now()))
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return TimeArgument(text)
