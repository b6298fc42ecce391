"""The values of the settings that no process may print (pure)."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from monitor_agent.settings.sections import Settings
from monitor_agent.settings.setting_info import info_of

SHORTEST_TOKEN_OF_ADDRESS = 8


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
        if information.secret and isinstance(value, tuple):
            yield from (text for address in value for text in secrets_of_address(address))
        elif information.secret and value:
            yield from _forms(value)
            user = getattr(section, entry.name.replace("password", "username"), "")
            if user and user != value:
                yield from _header(user, value)


def secrets_of_address(address: str) -> Iterator[str]:
    """Yield what an address of a channel may hold of a secret: itself, and its pieces that are long enough for one.

    >>> sorted(set(secrets_of_address("slack://TokenOfTeam1/Secret")))
    ['TokenOfTeam1', 'slack://TokenOfTeam1/Secret']
    """
    yield address
    # By hand: `urlsplit` refuses an address with a bracket in its password.
    rest, _, query = address.partition("://")[2].partition("#")[0].partition("?")
    account, *path = rest.split("/")
    before_host, _, host = account.rpartition("@")
    user, _, password = before_host.partition(":")
    for text in (user, password, host, *path):
        # Tokens are long, words such as `general` are not; a password is always one.
        if text and (len(text) >= SHORTEST_TOKEN_OF_ADDRESS or text == password) and not _is_host(text):
            yield from (text, unquote(text))
    yield from (value for _, value in parse_qsl(query) if len(value) >= SHORTEST_TOKEN_OF_ADDRESS)


def _is_host(text: str) -> bool:
    return "." in text or ":" in text or text == "localhost"


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")


def _header(user: str, password: str) -> Iterator[str]:
    yield base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")
