"""What a field of a section says about its setting (pure)."""

from __future__ import annotations

from dataclasses import Field, dataclass, field
from typing import Any


@dataclass(frozen=True)
class SettingInfo:
    """What a field of a section says about its setting.

    Attributes
    ----------
    variable : the environment variable.
    help : the meaning, for `docs/settings.md`.
    unit : the unit of a number, if it needs one.
    choices : the allowed values; empty = all values of the type.
    secret : whether the value must not be printed.
    """

    variable: str
    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    secret: bool = False


def setting(
    default: Any, variable: str, help_: str, *, unit: str = "", choices: tuple[str, ...] = (), secret: bool = False
) -> Any:
    """Return a dataclass field with its `SettingInfo`; secrets, and addresses with a password, are in no `repr`."""
    information = SettingInfo(variable, help_, unit, choices, secret)
    return field(default=default, metadata={"setting": information}, repr=not secret and not variable.endswith("_URL"))


def info_of(entry: Field[Any]) -> SettingInfo:
    """Return the information on the setting of a section's field."""
    info: SettingInfo = entry.metadata["setting"]
    return info
