"""Environment variables in a configuration: `${NAME}` and `${NAME:default}`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from monitor_agent.logstash.syntax import Location
from monitor_agent.settings import Settings, environment_of

_VARIABLE = re.compile(r"\$\{(?P<name>[a-zA-Z_.][a-zA-Z0-9_.]*)(?::(?P<default>[^}]*))?\}")


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables of a pipeline: our own settings that say something, and over them those of the process.

    With an API key no password need be set.
    """
    sections = (settings.elasticsearch, settings.server, settings.pipeline)
    ours = {name: text for section in sections for name, text in environment_of(section).items() if text}
    if settings.pipeline.api_key:
        ours.setdefault("PIPELINE_PASSWORD", "")
    return {**ours, **os.environ}


def substitute(value: Any, variables: Mapping[str, str], at: Location) -> Any:
    """Return `value` with every variable in its texts replaced; ConfigurationError where one is not set."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _lookup(match, variables, at), value) if "${" in value else value
    if isinstance(value, list):
        return [substitute(item, variables, at) for item in value]
    if isinstance(value, dict):
        return {key: substitute(item, variables, at) for key, item in value.items()}
    return value


def _lookup(match: re.Match[str], variables: Mapping[str, str], at: Location) -> str:
    default: str | None = match["default"]
    found = variables.get(match["name"], default) if default is not None else variables.get(match["name"])
    if found is None:
        name = match["name"]
        raise at.error(f"the environment variable {name} is not set", f"set it, or write ${{{name}:default}}")
    return found
