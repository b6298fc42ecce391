"""Values as Kibana's field formats write them, for cells, tiles and axes (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from monitor_agent.dashboards.visible_text import visible
from monitor_agent.kibana.data_views import Format
from monitor_agent.kibana.tables import Value
from monitor_agent.pipeline import instants

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
_PATTERN = re.compile(r"(0,)?0(?:\.(\[?0*\]?))?")
_SECONDS = {
    "picoseconds": 1e-12,
    "nanoseconds": 1e-9,
    "microseconds": 1e-6,
    "milliseconds": 1e-3,
    "seconds": 1.0,
    "minutes": 60.0,
    "hours": 3600.0,
    "days": 86_400.0,
}
UNITS_OF_TIME = frozenset(_SECONDS)
_SHORT = {
    "microseconds": "\N{GREEK SMALL LETTER MU}s",
    "milliseconds": "ms",
    "seconds": "s",
    "minutes": "min",
    "hours": "h",
    "days": "d",
}
_BYTES = ("B", "KB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True)
class Scale:
    """The unit of an axis.

    Attributes
    ----------
    factor : the chart draws values times this factor.
    label : Vega expression for a tick's text, with `datum.value`.
    """

    factor: float
    label: str


SHARES = Scale(1.0, "format(datum.value * 100, ',~r') + ' %'")
"""The scale of values that are stacked up to 1."""


def text(value: Value, format_: Format | None, kind: str = "number") -> str:
    """Return a value for people.

    Parameters
    ----------
    kind : `date` (milliseconds since 1970), `number`, `string` or `boolean`, as in the column of a table.

    >>> text(0.0123, {"id": "percent", "params": {"decimals": 1}}), text(1234.5, None), text(None, None)
    ('1.2 %', '1,234.5', '–')
    >>> optional = {"id": "number", "params": {"pattern": "0,0.[0000]"}}
    >>> text(180.0, optional), text(0.14941, optional)
    ('180', '0.1494')
    """
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if kind == "date":
        return date_text(value)
    if not isinstance(value, (int, float)):
        return visible(str(value))
    if format_ is None:
        return _number(value, 3, trim=True) if kind == "number" else f"{value:g}"
    name: str = format_["id"]
    params: Mapping[str, Any] = format_.get("params") or {}
    if name == "percent":
        return f"{_number(value * 100, _decimals(params, 1))} %"
    if name == "bytes":
        return _bytes(value, _decimals(params, 1))
    if name == "duration":
        return _duration(value, params)
    if params.get("compact"):
        return _compact(value, _decimals(params, 1)) + str(params.get("suffix", ""))
    optional = "[" in params.get("pattern", "")
    return _number(value, _decimals(params, 2), trim=optional) + str(params.get("suffix", ""))


def unit(format_: Format | None) -> str:
    """Return the unit of a value before it is formatted, as files name it; empty if it has none.

    >>> unit({"id": "percent"}), unit({"id": "number", "params": {"suffix": " pp"}})
    ('share', 'pp')
    """
    name, params = (format_["id"], format_.get("params") or {}) if format_ else ("", {})
    if name == "duration":
        return _units(params)[0]
    return {"percent": "share", "bytes": "bytes"}.get(name, str(params.get("suffix", "")).strip())


def signed(value: Value, format_: Format | None, kind: str = "number") -> str:
    """Return a change for people, with its sign even if it is positive."""
    plus = "+" if isinstance(value, (int, float)) and value > 0 else ""
    return plus + text(value, format_, kind)


ZONE: ContextVar[str] = ContextVar("zone", default="UTC")
"""The name of the time zone of the person who reads; the pages set it, reports keep UTC."""


def reader_zone() -> ZoneInfo:
    """Return the reader's time zone."""
    return ZoneInfo(ZONE.get())


def moment_text(value: Value) -> str:
    """Return a moment with the name of its time zone."""
    return f"{date_text(value)} {ZONE.get()}"


def local_moment(at: datetime, form: str = "%Y-%m-%d %H:%M") -> str:
    """Return a moment in the reader's time zone with the name of the zone.

    Parameters
    ----------
    form : as `strftime` reads it.
    """
    return f"{at.astimezone(reader_zone()).strftime(form)} {ZONE.get()}"


def date_text(value: Value) -> str:
    """Return a moment in the reader's time zone.

    >>> date_text(1574553600000), date_text("2026-11-23T10:00:00.123Z")
    ('2019-11-24 00:00', '2026-11-23 10:00:00.123')
    """
    if isinstance(value, str):
        try:
            value = instants.parse(value).timestamp() * 1000
        except ValueError:
            return visible(str(value))
    if not isinstance(value, (int, float)):
        return visible(str(value))
    return _moment_in(round(value), ZONE.get())


@lru_cache(maxsize=20_000)
def _moment_in(milliseconds: int, zone: str) -> str:
    """Return a moment in a time zone; the charts of a page name the same moments again and again."""
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc).astimezone(ZoneInfo(zone))
    if moment.microsecond:
        return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
    return moment.strftime("%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M")


def scale(format_: Format | None, greatest: float) -> Scale:
    """Return the scale of an axis for a format, if its greatest value is `greatest`."""
    name, params = (format_["id"], format_.get("params") or {}) if format_ else ("number", {})
    if name == "percent":
        return Scale(100.0, "format(datum.value, ',~r') + ' %'")
    if name == "duration":
        from_, to = _units(params)
        unit = to or _fitting(abs(greatest) * _SECONDS[from_])
        return Scale(_SECONDS[from_] / _SECONDS[unit], f"format(datum.value, ',~r') + ' {_SHORT[unit]}'")
    if name == "bytes":
        return Scale(1.0, "format(datum.value, '~s') + 'B'")
    return Scale(1.0, "format(datum.value, abs(datum.value) >= 10000 ? '~s' : ',~r')")


def _decimals(params: Mapping[str, Any], default: int) -> int:
    if "decimals" in params:
        return int(params["decimals"])
    pattern = _PATTERN.match(params.get("pattern", ""))
    return len((pattern[2] or "").strip("[]")) if pattern else default


def _number(value: float, decimals: int, *, trim: bool = False) -> str:
    digits = f"{value:,.{decimals}f}"
    if trim and "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    if not digits.strip("-0.,"):
        # A value that rounds to 0 has no sign: no "-0.0".
        digits = digits.lstrip("-")
    return digits.replace("-", MINUS)


def _compact(value: float, decimals: int) -> str:
    for limit, sign in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= limit:
            return _number(value / limit, decimals, trim=True) + sign
    return _number(value, decimals, trim=True)


def _bytes(value: float, decimals: int) -> str:
    power = 0
    while abs(value) >= 1024 and power < len(_BYTES) - 1:
        value, power = value / 1024, power + 1
    return f"{_number(value, decimals if power else 0, trim=True)} {_BYTES[power]}"


def _units(params: Mapping[str, Any]) -> tuple[str, str]:
    """Return the unit of a duration's number, and the unit of its text; empty = the greatest unit that fits."""
    output = str(params.get("toUnit") or params.get("outputFormat") or "humanizePrecise")
    unit = output.removeprefix("as").lower()
    return str(params.get("fromUnit") or params.get("inputFormat") or "seconds"), unit if unit in _SHORT else ""


def _duration(value: float, params: Mapping[str, Any]) -> str:
    from_, to = _units(params)
    unit = to or _fitting(abs(value) * _SECONDS[from_])
    decimals = int(params.get("decimals", params.get("outputPrecision", 1)))
    return f"{_number(value * _SECONDS[from_] / _SECONDS[unit], decimals)} {_SHORT[unit]}"


def _fitting(seconds: float) -> str:
    """Return the greatest unit that a duration has at least one of."""
    return next((unit for unit in reversed(_SHORT) if seconds >= _SECONDS[unit]), "milliseconds")
