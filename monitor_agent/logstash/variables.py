"""Environment variables in a configuration: `${NAME}` and `${NAME:default}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monitor_agent.logstash.syntax import Location
from monitor_agent.settings import Settings, environment_of

_VARIABLE = re.compile(r"\$\{(?P<name>[a-zA-Z_.][a-zA-Z0-9_.]*)(?::(?P<default>[^}]*))?\}")


def pipeline_variables(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a configuration: the settings that are not empty, overridden by the environment.

    If there is an API key, the password may be missing.
    """
    sections = (settings.elasticsearch, settings.server, settings.pipeline)
    variables = {name: text for section in sections for name, text in environment_of(section).items() if text}
    if settings.pipeline.api_key:
        variables.setdefault("PIPELINE_PASSWORD", "")
    return {**variables, **environ}


def substitute(value: Any, variables: Mapping[str, str], at: Location) -> Any:
    """Return `value` with every variable in its texts replaced.

    Raises
    ------
    ConfigurationError
        If a variable is not set and has no default.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _lookup(match, variables, at), value) if "${" in value else value
    if isinstance(value, list):
        return [substitute(item, variables, at) for item in value]
    if isinstance(value, dict):
        return {key: substitute(item, variables, at) for key, item in value.items()}
    return value


def _lookup(match: re.Match[str], variables: Mapping[str, str], at: Location) -> str:
    default: str | None = match["default"]
    name = match["name"]
    value = variables.get(name, default)
    if value is None:
        raise at.error(f"the environment variable {name} is not set", f"set it, or write ${{{name}:default}}")
    return value
