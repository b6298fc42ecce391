"""Environment variables in a configuration: `${NAME}` and `${NAME:default}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from monitor_agent.http_client.address import with_user
from monitor_agent.logstash.language.syntax import Location
from monitor_agent.settings import Settings, environment_of, without_kubernetes

_VARIABLE = re.compile(r"\$\{(?P<name>[a-zA-Z_.][a-zA-Z0-9_.]*)(?::(?P<default>[^}]*))?\}")


def pipeline_variables(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a configuration: the settings that are not empty, overridden by the environment,
    except for values from Kubernetes.

    If there is an API key, or the address of Elasticsearch names a user, the password may be missing.
    """
    sections = (settings.elasticsearch, settings.server, settings.pipeline)
    variables = {name: text for section in sections for name, text in environment_of(section).items() if text}
    elasticsearch = settings.elasticsearch
    if elasticsearch.url_names_user:
        users = (with_user(url, elasticsearch.username, elasticsearch.password) for url in elasticsearch.url)
        variables["ELASTICSEARCH_URL"] = ",".join(users)
    if settings.pipeline.api_key or elasticsearch.url_names_user:
        variables.setdefault("PIPELINE_PASSWORD", "")
    return {**variables, **without_kubernetes(environ)}


def names_in(texts: Iterable[str]) -> set[str]:
    """Return the names of the variables in the texts of a configuration.

    >>> sorted(names_in(['path => "${MODEL_LOG_DIR}/*.ndjson"', 'port => "${PORT:1}"']))
    ['MODEL_LOG_DIR', 'PORT']
    """
    return {match["name"] for text in texts for match in _VARIABLE.finditer(text)}


def substitute(value: Any, variables: Mapping[str, str], at: Location) -> Any:
    """Return an option's value with the variables in its texts replaced.

    As in Logstash, this happens three times, so a variable may stand in the default of another one: `${A:${B}}`. If a
    variable is only a part of a text, quotes around the result are removed, and `[a, b]` becomes a list.

    Raises
    ------
    ConfigurationError
        If a variable is not set and has no default.
    """

    def replace(text: str) -> str:
        return _VARIABLE.sub(lambda match: _lookup(match, variables, at), text)

    def refine(text: str) -> str | list[str]:
        replaced = replace(text)
        return replaced if replaced == text else _refined(replaced)

    whole = substitute_whole(value, variables, at)
    return _mapped(replace, _mapped(refine, whole))


def substitute_whole(value: Any, variables: Mapping[str, str], at: Location) -> Any:
    """Return a value with each text replaced that is one variable and nothing else.

    Raises
    ------
    ConfigurationError
        If a variable is not set and has no default.
    """

    def replace(text: str) -> str:
        match = _VARIABLE.fullmatch(text)
        return _lookup(match, variables, at) if match else text

    return _mapped(replace, value)


def _mapped(change: Callable[[str], Any], value: Any) -> Any:
    if isinstance(value, str):
        return change(value) if "${" in value else value
    if isinstance(value, list):
        return [_mapped(change, item) for item in value]
    if isinstance(value, dict):
        return {key: _mapped(change, item) for key, item in value.items()}
    return value


def _refined(text: str) -> str | list[str]:
    text = _unquoted(text)
    if len(text) > 1 and text[0] == "[" and text[-1] == "]":
        return [_unquoted(item.strip()) for item in text[1:-1].split(",")]
    return text


def _unquoted(text: str) -> str:
    for quote in "'\"":
        if text.startswith(quote) and text.endswith(quote):
            text = text[1:-1]
    return text


def _lookup(match: re.Match[str], variables: Mapping[str, str], at: Location) -> str:
    default: str | None = match["default"]
    name = match["name"]
    value = variables.get(name, default)
    if value is None:
        raise at.error(f"the environment variable {name} is not set", f"set it, or write ${{{name}:default}}")
    return value
