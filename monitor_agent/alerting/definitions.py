"""The list of alerts, `kibana/alerts.toml`: read and check it.

The agent evaluates the alerts itself and writes firings to `model-alerts`. Watches and rules notify people of the
firings that are active and not inhibited. They evaluate only one alert themselves: the agent cannot notice that it is
silent.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.alerting.firings import FiringRule
from monitor_agent.contracts.alert import GROUP_FIELDS, SEVERITIES
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.durations import in_one_unit, parse_duration
from monitor_agent.errors import DataError, name_meant, suggestion
from monitor_agent.product_files import ALERTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_ATTRIBUTES = {"every": "interval", "looks": "evaluations"}
"""Keys of the file whose attribute of `Alert` has another name."""

_FORMER_KEYS = {"held_back_by": "inhibited_by"}
"""Keys of earlier versions: refused like every unknown key, but the error names the key of today."""

_NO_KEYS = {"id", "look_backs"}
"""Attributes of `Alert` that are no keys of the file."""

_DURATIONS = {"look_back", "every", "throttle"}
_TYPES = {"str": str, "int": int, "bool": bool}
_TYPE_NAMES = {str: "a text", int: "a whole number", bool: "true or false"}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class Alert(FiringRule):
    """One alert of `kibana/alerts.toml`; the head of the file explains each key."""

    index: str
    where: str
    look_back: str
    throttle: str
    at_least: int = 0
    fewer_than: int = 0
    values: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    agent: bool = True
    holds: str = ""
    look_backs: tuple[tuple[str, str], ...] = ()
    """Sizes of windows with how long the alert looks back for them: no key of the file, but found from the settings."""

    def __post_init__(self) -> None:
        """Refuse values of the wrong type, and those that contradict each other."""
        self._check_types()
        if bool(self.at_least) == bool(self.fewer_than):
            raise DataError(f"the alert {self.id} needs either at_least or fewer_than")
        if self.group_by and (self.fewer_than or not self.agent):
            raise DataError(
                f"the alert {self.id}: an alert with fewer_than or agent = false has no groups", "leave group_by out"
            )
        if self.severity not in SEVERITIES:
            raise DataError(f"the alert {self.id}: severity is one of {', '.join(SEVERITIES)}")
        needed, of = self.evaluations
        if not 1 <= needed <= of or self.quiet < 1:
            raise DataError(f"the alert {self.id}: looks are [N, M] with 1 <= N <= M, quiet is 1 or more")
        for text in (self.look_back, self.interval, self.throttle):
            if not parse_duration(text):
                raise DataError(f"the alert {self.id}: {text} is no length of time", "write 1s or more")
        self._check_fields()

    def _check_types(self) -> None:
        for entry in dataclasses.fields(self):
            value, type_ = getattr(self, entry.name), _TYPES.get(str(entry.type))
            # A bool is an int, too.
            if type_ is not None and (not isinstance(value, type_) or (type_ is int and isinstance(value, bool))):
                raise DataError(f"the alert {self.id}: {_key_of(entry.name)} is {_TYPE_NAMES[type_]}")
        if not _ID.fullmatch(self.id):
            raise DataError(f"{self.id!r} is no id of an alert", "use letters, digits and _ . -")
        if not self.title.strip():
            raise DataError(f"the alert {self.id}: its title is empty", "write what is wrong in a few words")
        if self.at_least < 0 or self.fewer_than < 0:
            raise DataError(f"the alert {self.id}: at_least and fewer_than are 1 or more")

    def _check_fields(self) -> None:
        limits = self.limits()
        for value in self.values:
            if value not in limits:
                raise DataError(f"the alert {self.id}: where does not compare the value {value}")
        if self.group_by != GROUP_FIELDS[: len(self.group_by)]:
            raise DataError(f"the alert {self.id}: groups are {', '.join(GROUP_FIELDS)}, in this order")
        if self.holds and not (self.values and self.group_by):
            raise DataError(f"the alert {self.id}: holds needs values and group_by")
        kql.query(self.holds)

    def check_index(self) -> None:
        """Refuse an index or a field that does not exist: the alert would never fire.

        Raises
        ------
        DataError
            If the index is none of the product, or has no such field.
        """
        contract = next((row for row in CONTRACTS if row.has_index(self.index)), None)
        if contract is None:
            patterns = [row.pattern for row in CONTRACTS]
            raise DataError(f"the alert {self.id}: there is no index {self.index}", suggestion(self.index, patterns))
        for name in sorted(kql.fields(self.where) | kql.fields(self.holds)):
            if not contract.has_field(name):
                meant = name_meant(name, contract.fields)
                hint = f"did you mean {meant}?" if meant else "docs/fields.md lists the fields"
                raise DataError(f"the alert {self.id}: {self.index} has no field {name}", hint)

    @property
    def comparison(self) -> tuple[str, int]:
        """How many documents meet the condition: `gte` or `lt`, and the number."""
        return ("gte", self.at_least) if self.at_least else ("lt", self.fewer_than)

    def look_back_for(self, size: str) -> timedelta:
        """Return how old a document may be whose window has a size; empty = it is none of a window."""
        return parse_duration(dict(self.look_backs).get(size, self.look_back))

    def limits(self) -> dict[str, tuple[str, float]]:
        """Return the fields that `where` compares with a number: the worse end (`max` or `min`), and the number.

        Raises
        ------
        DataError
            If `where` is not KQL.
        """
        return dict(_limits_of(self.where))


@cache
def _limits_of(where: str) -> Mapping[str, tuple[str, float]]:
    """Return the limits in a condition; a replay asks for them at each moment of a year."""
    return dict(_limits(kql.query(where)))


def _limits(node: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, float]]]:
    for kind, inner in node.items():
        if kind == "range":
            ((name, bounds),) = inner.items()
            ((sign, number),) = bounds.items()
            yield name, ("max" if sign in ("gt", "gte") else "min", float(number))
        elif kind == "bool":
            for occurrence, clauses in inner.items():
                for clause in clauses if occurrence in ("filter", "should") else []:
                    yield from _limits(clause)


def load_alerts(path: str = "") -> list[Alert]:
    """Return the alerts of a file, or of the one that comes with the product.

    Raises
    ------
    DataError
        If the file cannot be read, or an alert in it is wrong.
    """
    file = Path(path) if path else ALERTS
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        message = f"the list of alerts {file} cannot be read ({reason})"
        raise DataError(message, "see MONITOR_ALERTS") from error
    return parse_alerts(text)


def parse_alerts(text: str) -> list[Alert]:
    """Return the alerts of the text of an `alerts.toml`, in order.

    Raises
    ------
    DataError
        If the text is no TOML, or an alert in it is wrong; the message names the alert and the key.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"alerts.toml is no TOML: {error}", "correct the file") from error
    alerts = [_alert(name, table) for name, table in tables.items()]
    for alert in alerts:
        alert.check_index()
    inhibiting = {alert.id for alert in alerts if alert.agent and not alert.inhibited_by}
    for alert in alerts:
        for name in alert.inhibited_by:
            if name not in inhibiting:
                inhibitors = ", ".join(sorted(inhibiting - {alert.id}))
                raise DataError(
                    f"the alert {alert.id}: {name} cannot inhibit it",
                    f"use {inhibitors}" if inhibitors else "leave inhibited_by out",
                )
    return alerts


def _alert(name: str, table: Any) -> Alert:
    if not isinstance(table, Mapping):
        raise DataError(f"alerts.toml: {name} is not a table", f"write each alert as a table such as [{name}]")
    defaults = {
        key: entry.default
        for entry in dataclasses.fields(Alert)
        for key in [_key_of(entry.name)]
        if key not in _NO_KEYS
    }
    for key in sorted(table.keys() - defaults.keys()):
        former = _FORMER_KEYS.get(key, "")
        hint = f"did you mean {former}?" if former else suggestion(key, defaults)
        raise DataError(f"the alert {name} has an unknown key {key}", hint)
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    for key, value in values.items():
        if isinstance(defaults[key], tuple) and not isinstance(value, tuple):
            raise DataError(f"the alert {name}: {key} is a list")
    for key in _DURATIONS & values.keys():
        try:
            values[key] = in_one_unit(str(values[key]))
        except DataError as error:
            raise DataError(f"the alert {name}: its {key} is malformed: {error.message}", error.hint) from error
    missing = sorted(key for key, default in defaults.items() if default is dataclasses.MISSING and key not in values)
    if missing:
        raise DataError(f"the alert {name} is incomplete", f"add {', '.join(missing)}")
    try:
        return Alert(id=name, **{_ATTRIBUTES.get(key, key): value for key, value in values.items()})
    except DataError as error:
        if f"the alert {name}" in error.message:
            raise
        raise DataError(f"the alert {name}: {error.message}", error.hint) from error
    except (TypeError, ValueError) as error:
        raise DataError(f"the alert {name} has a value of the wrong type: {error}") from error


def _key_of(attribute: str) -> str:
    return next((key for key, name in _ATTRIBUTES.items() if name == attribute), attribute)
