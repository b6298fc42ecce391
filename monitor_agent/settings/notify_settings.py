"""The section `[notify]`: who is told of alerts; its tables name channels, and say what goes where (pure)."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from monitor_agent.errors import SettingsError, suggestion
from monitor_agent.settings.conversion import convert
from monitor_agent.settings.setting_info import setting

NOTIFY, CHANNELS, ROUTES = "notify", "channels", "routes"
ENGLISH, CHINESE = "en", "zh"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HOURS = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_HOUR = re.compile(r"\d\d:\d\d")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SEVERITIES = ("critical", "warning")


@dataclass(frozen=True)
class NotifySettings:
    """Who is told of alerts; the tables `[notify.channels]` and `[[notify.routes]]` are in `docs/notifications.md`."""

    urls: tuple[str, ...] = setting(
        (),
        "MONITOR_NOTIFY_URLS",
        "addresses that get every alert, as Apprise writes them, such as `mailto://...` or `slack://...`; "
        "in the variable, separated by commas",
        secret=True,
    )
    dashboards_url: str = setting(
        "",
        "MONITOR_DASHBOARDS_URL",
        "address of the dashboards as people reach it, for the links in messages; empty = no links",
    )
    group_wait: timedelta = setting(
        timedelta(), "MONITOR_NOTIFY_GROUP_WAIT", "how long a message about a model waits for further alerts about it"
    )
    language: str = setting(ENGLISH, "MONITOR_NOTIFY_LANGUAGE", "language of the messages", choices=(ENGLISH, CHINESE))
    template: str = setting(
        "",
        "MONITOR_NOTIFY_TEMPLATE",
        "file with a template of one's own for the messages; empty = that of the language",
    )

    summary_daily: str = setting(
        "", "MONITOR_NOTIFY_SUMMARY_DAILY", "when a summary of the last day is sent, such as `07:00`; empty = never"
    )
    summary_weekly: str = setting(
        "",
        "MONITOR_NOTIFY_SUMMARY_WEEKLY",
        "when a summary of the last week is sent, such as `monday 07:00`; empty = never",
    )
    summary_time_zone: str = setting("UTC", "MONITOR_NOTIFY_SUMMARY_TIME_ZONE", "time zone of these times")

    def __post_init__(self) -> None:
        """Join addresses that hold a comma again; refuse times of summaries that are none."""
        self._check_summaries()
        object.__setattr__(self, "urls", tuple(dict.fromkeys(_joined(self.urls))))
        object.__setattr__(self, "dashboards_url", self.dashboards_url.strip().rstrip("/"))
        if self.dashboards_url and not self.dashboards_url.startswith(("http://", "https://")):
            raise SettingsError("MONITOR_DASHBOARDS_URL is no address", "write it as https://dashboards.example.org")
        if self.group_wait < timedelta():
            raise SettingsError("MONITOR_NOTIFY_GROUP_WAIT is less than 0s", "give 0s or more")

    def _check_summaries(self) -> None:
        for variable, text, weekly in (
            ("MONITOR_NOTIFY_SUMMARY_DAILY", self.summary_daily, False),
            ("MONITOR_NOTIFY_SUMMARY_WEEKLY", self.summary_weekly, True),
        ):
            example = "monday 07:00" if weekly else "07:00"
            try:
                weekday, hour = summary_time(text)
            except ValueError:
                raise SettingsError(f"{variable}={text} is no time", f"write it as {example}") from None
            if hour is not None and (weekday is not None) != weekly:
                raise SettingsError(f"{variable}={text} is no time", f"write it as {example}")
        try:
            ZoneInfo(self.summary_time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise SettingsError(
                f"MONITOR_NOTIFY_SUMMARY_TIME_ZONE={self.summary_time_zone} is unknown",
                "use a name such as Europe/Berlin",
            ) from error


@dataclass(frozen=True)
class RouteTable:
    """One table `[[notify.routes]]`: what goes to its channels; a key that is not set lets everything through.

    Attributes
    ----------
    channels : names of `[notify.channels]`.
    models : names of models, or patterns of shell wildcards; an alert about all models has none, and goes through.
    severities : `critical`, `warning`.
    hours : such as `08:00-20:00`: outside of them, alerts wait; those that recover meanwhile are not sent.
    time_zone : of `hours`.
    """

    channels: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    hours: str = ""
    time_zone: str = "UTC"


@dataclass(frozen=True)
class NotifyTables:
    """The channels with names, by their addresses, and the routes to them."""

    channels: Mapping[str, str] = field(default_factory=dict, repr=False)
    routes: tuple[RouteTable, ...] = ()


def hours_of(text: str) -> tuple[time, time] | None:
    """Return the start and the end of the hours of a day; None if the text is empty.

    Raises
    ------
    ValueError
        If the text is no hours.

    >>> hours_of("22:00-06:30")
    (datetime.time(22, 0), datetime.time(6, 30))
    """
    if not text:
        return None
    match = _HOURS.fullmatch(text)
    if match is None:
        raise ValueError("write hours such as 08:00-20:00")
    numbers = [int(number) for number in match.groups()]
    return time(numbers[0], numbers[1]), time(numbers[2] % 24, numbers[3])


def summary_time(text: str) -> tuple[int | None, time | None]:
    """Return the day of the week (0 = Monday) and the hour of a summary; None where the text has none.

    Raises
    ------
    ValueError
        If the text is no such time.

    >>> summary_time("monday 07:00"), summary_time("")
    ((0, datetime.time(7, 0)), (None, None))
    """
    if not text.strip():
        return None, None
    *days, hour = text.lower().split()
    if len(days) > 1 or not _HOUR.fullmatch(hour):
        raise ValueError("write 07:00, or monday 07:00")
    return WEEKDAYS.index(days[0]) if days else None, time.fromisoformat(hour)


def without_notify_tables(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document of settings without the tables below `[notify]`."""
    section = document.get(NOTIFY)
    if not isinstance(section, Mapping):
        return document
    return {**document, NOTIFY: {name: value for name, value in section.items() if name not in (CHANNELS, ROUTES)}}


def notify_tables_of(document: Mapping[str, Any], environ: Mapping[str, str], place: str) -> NotifyTables:
    """Return the tables below `[notify]`.

    Parameters
    ----------
    document : the whole file.
    environ : the environment, which a channel may name a variable of: `$NAME` or `${NAME}`.
    place : the file, for an error; no error holds an address.

    Raises
    ------
    SettingsError
        If a key or a value is wrong; it names the key.
    """
    section = document.get(NOTIFY, {})
    if not isinstance(section, Mapping):
        return NotifyTables()
    channels = section.get(CHANNELS, {})
    if not isinstance(channels, Mapping):
        raise SettingsError(f"{place}: {NOTIFY}.{CHANNELS} is not a table", f"write [{NOTIFY}.{CHANNELS}]")
    routes = section.get(ROUTES, [])
    if not isinstance(routes, list):
        raise SettingsError(f"{place}: {NOTIFY}.{ROUTES} is no list of tables", f"write [[{NOTIFY}.{ROUTES}]]")
    addresses = {
        name: _address(name, value, environ, f"{place}: {NOTIFY}.{CHANNELS}.{name}") for name, value in channels.items()
    }
    return NotifyTables(
        addresses,
        tuple(
            _route(table, addresses, f"{place}: {NOTIFY}.{ROUTES}[{number}]") for number, table in enumerate(routes, 1)
        ),
    )


def _address(name: str, value: Any, environ: Mapping[str, str], place: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{place} is no name", "use letters, digits and _ . -")
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{place} is no address", "write an address of Apprise in quotation marks")
    variable = _VARIABLE.fullmatch(value.strip())
    if variable is None:
        return value.strip()
    if not environ.get(variable[1], "").strip():
        raise SettingsError(
            f"{place} names {variable[1]}, which is not set", f"set {variable[1]}, or write the address"
        )
    return environ[variable[1]].strip()


def _route(table: Any, channels: Mapping[str, str], place: str) -> RouteTable:
    if not isinstance(table, Mapping):
        raise SettingsError(f"{place} is not a table", f"write it as [[{NOTIFY}.{ROUTES}]] with its keys below")
    hints, names = typing.get_type_hints(RouteTable), [entry.name for entry in fields(RouteTable)]
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in names:
            raise SettingsError(f"{place}.{name} is unknown", suggestion(name, names))
        values[name] = convert(value, hints[name], f"{place}.{name}")
    route = RouteTable(**values)
    if not route.channels:
        raise SettingsError(f"{place} has no channels", f"add channels = [...], names of [{NOTIFY}.{CHANNELS}]")
    for name in route.channels:
        if name not in channels:
            raise SettingsError(f"{place}: there is no channel {name}", suggestion(name, channels))
    for severity in route.severities:
        if severity not in _SEVERITIES:
            raise SettingsError(f"{place}: severity {severity!r} is unknown", f"use {' or '.join(_SEVERITIES)}")
    try:
        hours_of(route.hours)
        ZoneInfo(route.time_zone)
    except (ValueError, OSError, KeyError) as error:
        raise SettingsError(f"{place}: its hours or its time_zone is malformed", "write 08:00-20:00, UTC") from error
    return route


def _joined(pieces: tuple[str, ...]) -> list[str]:
    """Return addresses from the pieces between commas: a piece without a scheme belongs to the address before it.

    >>> _joined(("mailto://me:pw@example.org?to=a@x.org", "b@x.org", "json://host"))
    ['mailto://me:pw@example.org?to=a@x.org,b@x.org', 'json://host']
    """
    joined: list[str] = []
    for piece in pieces:
        if joined and not _SCHEME.match(piece.strip()):
            joined[-1] += f",{piece.strip()}"
        elif piece.strip():
            joined.append(piece.strip())
    return joined
