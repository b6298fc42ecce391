"""Times in tables: ISO 8601, a format of the user, or a number since 1970; local times of a zone (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from monitor_agent.errors import DataError

EPOCH_FORMATS: dict[str, int] = {"epoch": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}
"""Formats of numbers since 1970, with the number of units in a second; what is less than a microsecond is dropped."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?",
    re.IGNORECASE,
)
_NO_TIME = "is a number: --time-format says its unit, such as epoch or epoch_ms"
_ZONE_EXAMPLE = "give a name such as Europe/Berlin or UTC"


class UnreadableTimeError(ValueError):
    """Raised if a value is no time of the expected form."""


class NoOffsetError(ValueError):
    """Raised if a time has no offset, and no time zone is named: then nobody can say which moment it is."""


def zone_of(name: str) -> tzinfo:
    """Return a time zone.

    Raises
    ------
    DataError
        If there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise DataError(f"--time-zone {name} is unknown", _ZONE_EXAMPLE) from error
    except KeyError as error:
        raise DataError(f"--time-zone {name} is unknown", _ZONE_EXAMPLE) from error


def is_time_format(text: str) -> bool:
    """Return whether `strptime` reads what `strftime` writes in a format.

    >>> [is_time_format(text) for text in ("%d.%m.%Y %H:%M", "%s", "%Y-%m-%d %Y", "iso")]
    [True, False, False, False]
    """
    if "%" not in text:
        return False
    try:
        datetime.strptime(_EPOCH.strftime(text), text)
    except (ValueError, re.error):  # a directive of strftime alone; one that stands there twice
        return False
    return True


def time_reader(time_format: str, time_zone: str) -> Callable[[Any], datetime]:
    """Return the function that turns a value into a moment (UTC).

    It raises `NoOffsetError` and `UnreadableTimeError`. Of a local time that exists twice, because clocks were set
    back, it takes the first; a local time that clocks have left out is unreadable.

    Parameters
    ----------
    time_format : as `ImportPlan.time_format`.
    time_zone : of times without an offset; "" = they are refused.

    >>> read = time_reader("", "Europe/Berlin")
    >>> read("2026-10-25 02:30").isoformat(), read("2026-07-01T12:00:00+00:00").isoformat()
    ('2026-10-25T00:30:00+00:00', '2026-07-01T12:00:00+00:00')
    >>> time_reader("%d.%m.%Y", "UTC")("23.11.2026").isoformat(), time_reader("epoch", "")(90.5).isoformat()
    ('2026-11-23T00:00:00+00:00', '1970-01-01T00:01:30.500000+00:00')
    """
    zone = zone_of(time_zone) if time_zone else None
    units = EPOCH_FORMATS.get(time_format)

    def read(value: Any) -> datetime:
        if isinstance(value, datetime):
            return _moment(value, zone)
        if isinstance(value, date):
            return _moment(datetime(value.year, value.month, value.day), zone)
        if units:
            return _since_epoch(value, units)
        if isinstance(value, bool) or not isinstance(value, str):
            raise UnreadableTimeError(_NO_TIME if isinstance(value, (int, float, Decimal)) else "is no time")
        text = value.strip()
        if not time_format:
            return _moment(_iso(text), zone)
        try:
            moment = datetime.strptime(text, time_format)
        except ValueError as error:
            raise UnreadableTimeError(f"is no time of the form {time_format}") from error
        return _moment(moment, zone)

    return read


def _since_epoch(value: Any, units: int) -> datetime:
    text = str(value).strip()
    try:
        if text.lstrip("-").isdigit():
            return _EPOCH + timedelta(microseconds=int(text) * 10**6 // units)
        return _EPOCH + timedelta(seconds=float(text) / units)
    except (ValueError, OverflowError) as error:
        raise UnreadableTimeError("is no number of a time since 1970") from error


def _iso(text: str) -> datetime:
    match = _ISO.fullmatch(text)
    if match is None:
        raise UnreadableTimeError("is no ISO 8601 time; --time-format names another form")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    microsecond = int(fraction[:6].ljust(6, "0")) if fraction else 0
    try:
        return datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), microsecond,
            tzinfo=_offset(offset) if offset else None,
        )  # fmt: skip
    except ValueError as error:
        raise UnreadableTimeError(f"is no time ({error})") from error


def _offset(text: str) -> tzinfo:
    if text in "Zz":
        return timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-span if text[0] == "-" else span)


def _moment(value: datetime, zone: tzinfo | None) -> datetime:
    if value.tzinfo is None:
        if zone is None:
            raise NoOffsetError
        local = value.replace(tzinfo=zone)
        try:
            moment = local.astimezone(timezone.utc)
            exists = moment.astimezone(zone).replace(tzinfo=None, fold=0) == value
        except OverflowError as error:
            raise UnreadableTimeError("is out of range") from error
        if not exists:
            raise UnreadableTimeError(f"does not exist in {zone}: clocks were set forward")
        return moment
    try:
        return value.astimezone(timezone.utc)
    except OverflowError as error:
        raise UnreadableTimeError("is out of range") from error
