"""The labels and features that the settings name: the index templates have them from the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from monitor_agent.settings import AgentSettings, ServerSettings

ClientNames = Mapping[str, Sequence[str]]
"""Field that holds names of clients -> the names that are mapped from the start."""


def client_names(agent: AgentSettings, server: ServerSettings, mapped: Iterable[str] = ()) -> dict[str, Sequence[str]]:
    """Return the labels that metrics are split by or that the server logs, and the features that it logs.

    Parameters
    ----------
    mapped : fields that receivers and imports fill, such as `labels.shop`, from `settings.read_mapped_fields`.

    >>> agent, server = AgentSettings(segments=("scene", "shop")), ServerSettings(labels=("scene", "device"))
    >>> client_names(agent, server, ["labels.country", "features.numeric.price", "item"])["labels"]
    ('scene', 'shop', 'device', 'country')
    """
    names = {
        "labels": [*agent.segments, *server.labels],
        "features.numeric": [*server.numeric_features],
        "features.categorical": [*server.categorical_features],
        "features.age_s": [],
    }
    for field in mapped:
        for owner, of_owner in names.items():
            if field.startswith(f"{owner}."):
                of_owner.append(field.removeprefix(f"{owner}."))
    return {owner: tuple(dict.fromkeys(of_owner)) for owner, of_owner in names.items()}
