"""The time zone of the days of the chosen models, by their stored settings."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from weakref import WeakKeyDictionary

from monitor_agent.dashboards.stored_names import stored_names
from monitor_agent.errors import MonitorError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import ModelSettingsStore
from monitor_agent.kibana.tables import JOIN
from monitor_agent.settings import AgentSettings
from monitor_agent.settings.model_tables import DEFAULT, Tables, settings_of

FRESH_SECONDS = 60.0
SEVERAL = "UTC"
"""The zone of models that have several."""


@dataclass(frozen=True)
class ModelZone:
    """A time zone: its name, the words of the switch, and why it is this one."""

    name: str
    text: str
    reason: str


_tables: WeakKeyDictionary[Gateway, tuple[float, Tables]] = WeakKeyDictionary()
_lock = Lock()


def model_zone(gateway: Gateway, process: AgentSettings, models: Iterable[str]) -> ModelZone:
    """Return the time zone of models; what is stored about them may be a minute old.

    Parameters
    ----------
    process : its zone counts where no settings are stored, or may be read.
    models : the chosen ones; none = all.
    """
    try:
        tables = _stored_tables(gateway)
        names = sorted(set(models)) or sorted({name.rpartition(JOIN)[0] for name in stored_names(gateway).names})
        zones = {name: settings_of(tables, name).time_zone for name in names or [DEFAULT]} if tables else {}
    except MonitorError:  # the panels say what cannot be read
        zones = {}
    return zone_of(zones, process)


def zone_of(zones: Mapping[str, str], process: AgentSettings) -> ModelZone:
    """Return the one zone of some models, or `SEVERAL` (pure).

    >>> zone_of({"ads": "Asia/Tokyo", "search": "UTC"}, AgentSettings()).text
    'Models: UTC (2 zones)'
    >>> zone_of({"ads": "Asia/Tokyo"}, AgentSettings()).text
    'Model: Asia/Tokyo'
    """
    distinct = dict.fromkeys(zones.values())
    if len(distinct) > 1:
        listed = ", ".join(f"{model}: {zone}" for model, zone in zones.items())
        text = f"Models: {SEVERAL} ({len(distinct)} zones)"
        return ModelZone(SEVERAL, text, f"The zones differ ({listed}): choose a model for its own")
    zone = next(iter(distinct), process.time_zone)
    return ModelZone(zone, f"Model: {zone}", "The windows of a day begin by this zone")


def _stored_tables(gateway: Gateway) -> Tables:
    """Return the settings of models as they are stored now; empty if there are none."""
    with _lock:
        read_at, cached = _tables.get(gateway, (float("-inf"), {}))
    if time.monotonic() - read_at < FRESH_SECONDS:
        return cached
    history = ModelSettingsStore(gateway).read(with_state=False).history
    tables = history.tables if history.changes else {}
    with _lock:
        _tables[gateway] = time.monotonic(), tables
    return tables
