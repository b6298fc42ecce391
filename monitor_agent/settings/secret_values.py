"""The values of the settings that no process may print (pure)."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import quote

from monitor_agent.settings.sections import Settings
from monitor_agent.settings.setting_info import info_of


def secret_values(settings: Settings) -> frozenset[str]:
    """Return every password, key and token of the settings, in each form that is sent.

    Those that an address names are among them: the sections take them out of it.

    The forms are the text itself, the text as an address has it (`%40` for `@`), and, with its user, the value of the
    header `Authorization`.
    """
    return frozenset(value for section in fields(settings) for value in _of_section(getattr(settings, section.name)))


def secret_variables() -> frozenset[str]:
    """Return the environment variables that hold a secret or an address, which may name a password."""
    sections = [getattr(Settings(), section.name) for section in fields(Settings)]
    rows = [info_of(entry) for section in sections for entry in fields(section)]
    return frozenset(row.variable for row in rows if row.secret or row.variable.endswith("_URL"))


def environment_without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for another program: without the variables that hold a secret or an address."""
    foreign = secret_variables()
    return {name: text for name, text in environ.items() if name not in foreign}


def _of_section(section: Any) -> Iterator[str]:
    for entry in fields(section):
        value, information = getattr(section, entry.name), info_of(entry)
        if information.secret and value:
            yield from _forms(value)
            user = getattr(section, entry.name.replace("password", "username"), "")
            if user and user != value:
                yield from _header(user, value)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")


def _header(user: str, password: str) -> Iterator[str]:
    yield base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")
