"""The labels and features that the settings name: the index templates have them from the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor_agent.settings import AgentSettings, ServerSettings

ClientNames = Mapping[str, Sequence[str]]
"""Field that holds names of clients -> the names that are mapped from the start."""


def client_names(agent: AgentSettings, server: ServerSettings) -> dict[str, Sequence[str]]:
    """Return the labels that metrics are split by or that the server logs, and the features that it logs.

    >>> client_names(AgentSettings(segments=("scene", "shop")), ServerSettings(labels=("scene", "device")))["labels"]
    ('scene', 'shop', 'device')
    """
    return {
        "labels": tuple(dict.fromkeys([*agent.segments, *server.labels])),
        "features.numeric": server.numeric_features,
        "features.categorical": server.categorical_features,
    }
