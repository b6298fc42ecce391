"""The list of plugins. A new plugin is a module in the folder of its kind, and its name here."""

from __future__ import annotations

import importlib

from monitor_agent.errors import suggestion
from monitor_agent.logstash.language.syntax import Location
from monitor_agent.logstash.plugin import PluginSpec

PLUGINS = {
    "input": ("file", "http", "stdin"),
    "filter": ("date", "drop", "fingerprint", "json", "mutate", "prune", "truncate"),
    "output": ("elasticsearch", "file", "stdout"),
    "codec": ("json", "json_lines", "line", "plain", "rubydebug"),
}


def plugin_spec(kind: str, name: str, at: Location) -> PluginSpec:
    """Return the specification of a plugin.

    Raises
    ------
    ConfigurationError
        If there is no plugin of that name.
    """
    if name not in PLUGINS[kind]:
        raise at.error(f"there is no {kind} {name!r}", suggestion(name, PLUGINS[kind]))
    spec: PluginSpec = importlib.import_module(f"{__package__}.{kind}s.{name}").SPEC
    return spec
