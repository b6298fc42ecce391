"""The compose files as docker compose reads them: merged, and with the variables of `.env` in their places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FILE, TLS_FILE, EXAMPLE = (ROOT / name for name in ("docker-compose.yml", "docker-compose.tls.yml", ".env.example"))
REPLACED = ("command", "entrypoint", "test")
"""The lists that another file replaces; it extends all others.

Source: Compose Specification, "Merge and override".
"""
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")


def plain() -> dict[str, Any]:
    """Return the content of `docker-compose.yml`."""
    content: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return content


def with_tls() -> dict[str, Any]:
    """Return the content of both files, merged."""
    merged: dict[str, Any] = _merged(plain(), yaml.safe_load(TLS_FILE.read_text(encoding="utf-8")))
    return merged


def variables_of(path: Path) -> dict[str, str]:
    """Return the variables of an environment file."""
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def filled() -> dict[str, str]:
    """Return the variables of `.env.example`, each with a value that holds its name."""
    return {name: value or f"value-of-{name}-{'x' * 32}" for name, value in variables_of(EXAMPLE).items()}


def environment(service: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a container.

    Parameters
    ----------
    variables : those of `.env`; a name without a value passes a variable on, and is absent if that is not set.
    """
    entries = service.get("environment", {})
    values = {
        name: variables.get(name) if value is None else resolved(value, variables) for name, value in entries.items()
    }
    return {name: value for name, value in values.items() if value is not None}


def resolved(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with the values of its variables.

    >>> resolved("${A:-1} ${B:?} $$C", {"B": "2"})
    '1 2 $C'
    """

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match["name"], match["kind"], match["rest"]
        if name is None:
            return "$"
        if variables.get(name):
            return variables[name]
        assert kind == "-", f"{name} has neither a value nor a default"
        return str(rest)

    return _VARIABLE.sub(value, text)


def names_in(text: str) -> set[str]:
    """Return the variables of a text."""
    return {match["name"] for match in _VARIABLE.finditer(text) if match["name"]}


def _merged(first: Any, second: Any, key: str = "") -> Any:
    """Return what docker compose makes of a value in two files."""
    if isinstance(first, dict) and isinstance(second, dict):
        names = [*first, *(name for name in second if name not in first)]
        return {
            name: _merged(first[name], second[name], name)
            if name in first and name in second
            else first.get(name, second.get(name))
            for name in names
        }
    if isinstance(first, list) and isinstance(second, list) and key not in REPLACED:
        return [*first, *second]
    return second
