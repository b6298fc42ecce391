"""Whether the settings of a process agree with the settings of models that the cluster holds (pure)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from monitor_agent.errors import SettingsError
from monitor_agent.settings.contradictions import contradictions_of_agent
from monitor_agent.settings.conversion import as_text
from monitor_agent.settings.model_tables import (
    DEFAULT,
    Table,
    Tables,
    of_table,
    settings_of_table,
    table_for,
    title,
)
from monitor_agent.settings.sections import AgentSettings, with_model


def require_agreement(agent: AgentSettings, places: Table, tables: Tables) -> None:
    """Refuse settings of models that a process was started with and that are not those of the table `default`.

    Parameters
    ----------
    agent : the settings of the process.
    places : key -> where it is stated, from `stated_for_models`; what is stated nowhere has no opinion.
    tables : the tables in the cluster.

    Raises
    ------
    SettingsError
        If one differs; it names the setting, its value and that of the cluster. Also if the retention of the process is
        too short for a table.
    """
    default = settings_of_table(tables, DEFAULT)
    for key, place in places.items():
        stated, stored = as_text(getattr(agent, key)), as_text(getattr(default, key))
        if stated != stored:
            raise SettingsError(
                f"{place}={stated} differs from the cluster, where {title(DEFAULT)} has {key}={stored or 'nothing'}",
                f"remove {place}, or change the cluster by `monitor-agent models apply FILE`",
            )
    require_valid(tables, agent)


def require_valid(tables: Tables, agent: AgentSettings) -> None:
    """Refuse tables with values that contradict each other, or that the retention of a process cannot hold.

    Raises
    ------
    SettingsError
        If a table has such values; it names the table and its keys.
    """
    for name in {DEFAULT: None, **dict.fromkeys(tables)}:
        for row in contradictions_of_agent(with_model(agent, settings_of_table(tables, name))):
            raise of_table(SettingsError(row.finding, row.remedy), name)


def needed_retention(tables: Tables, agent: AgentSettings) -> timedelta:
    """Return how long events must be kept for the model that needs them for the longest time."""
    models = [with_model(agent, settings_of_table(tables, name)) for name in {DEFAULT: None, **dict.fromkeys(tables)}]
    return max(
        max(row.attribution_window + row.ingest_grace, row.restatement_limit, row.orphan_horizon) for row in models
    )


def with_segments(agent: AgentSettings, tables: Tables) -> AgentSettings:
    """Return the settings of a process with the labels that any model in the cluster is split by, for the mappings.

    >>> with_segments(AgentSettings(), {"fraud": {"segments": "shop,country"}}).segments
    ('scene', 'shop', 'country')
    """
    names = [name for table in tables for name in settings_of_table(tables, table).segments]
    return replace(agent, segments=tuple(dict.fromkeys([*agent.segments, *names])))


def settings_for(tables: Tables, agent: AgentSettings, model: str = "") -> AgentSettings:
    """Return the settings of a process with those that the cluster has for a model in them.

    Parameters
    ----------
    tables : the tables in the cluster; empty = it has none, and the process decides.
    model : the model; empty = the table `default`.
    """
    if not tables:
        return agent
    return with_model(agent, settings_of_table(tables, table_for(tables, model) if model else DEFAULT))
