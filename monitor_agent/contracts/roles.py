"""The roles with least privileges, in the format of Elasticsearch's role API; all kinds of stack use them.

Source of the privileges: Elasticsearch's reference, "Elasticsearch privileges".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.event_catalogue import EVENT_CONTRACTS
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.model_settings import MODEL_SETTINGS
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.release import RELEASES
from monitor_agent.contracts.role_names import (
    ALERT_OPERATOR,
    ANALYST,
    DEADLETTER_READER,
    MONITOR_AGENT,
    MONITOR_SETUP,
    PIPELINE_WRITER,
)
from monitor_agent.contracts.silence import SILENCES
from monitor_agent.contracts.verdict import VERDICTS

READ = ["read", "view_index_metadata"]
_EVENTS = [contract for contract in EVENT_CONTRACTS if contract not in (RELEASES, DEADLETTERS)]
_RESULTS = [
    contract
    for contract in CONTRACTS
    if contract is RELEASES or contract not in (*EVENT_CONTRACTS, MODEL_SETTINGS, SILENCES)
]
"""What the agent writes; servers and the agent write releases."""


def names_of(contracts: Sequence[IndexContract]) -> list[str]:
    """Return the names of the indices and of the aliases of contracts, with a `?` for each digit of a date.

    A pattern such as `model-predictions-*` would match indices of other people. An alias needs a privilege by its name.

    >>> names_of([DEADLETTERS])
    ['model-deadletters-????.??.??', 'model-deadletters']
    """
    names = []
    for contract in contracts:
        dates = contract.suffix.replace("%Y", "????").replace("%m", "??").replace("%d", "??")
        names += [f"{contract.name}-{dates}" if dates else contract.name, contract.alias]
    return list(dict.fromkeys(names))


ROLES: dict[str, dict[str, Any]] = {
    PIPELINE_WRITER: {
        "cluster": ["monitor"],
        "indices": [{"names": names_of(EVENT_CONTRACTS), "privileges": ["create_doc", "auto_configure"]}],
    },
    MONITOR_AGENT: {
        "cluster": ["monitor"],
        "indices": [
            # It writes labels into events, and deletes expired indices. An import of old events creates their indices
            # with a lifecycle that begins at the import.
            {
                "names": names_of(_EVENTS),
                "privileges": [*READ, "index", "maintenance", "create_index", "delete_index", "manage_ilm"],
            },
            # `deadletters replay` deletes the dead letters that it has sent again.
            {"names": names_of([DEADLETTERS]), "privileges": [*READ, "delete", "maintenance", "delete_index"]},
            {
                "names": names_of(_RESULTS),
                "privileges": [*READ, "write", "auto_configure", "maintenance", "delete_index", "manage_ilm"],
            },
            # No process of an agent decides what its numbers mean, or of what nobody is told.
            {"names": names_of([MODEL_SETTINGS, SILENCES]), "privileges": READ},
        ],
    },
    MONITOR_SETUP: {
        "cluster": ["monitor", "manage_index_templates", "manage_ilm", "manage_watcher"],
        "indices": [
            {
                # The copies of a repair have names of their own.
                "names": [*names_of(CONTRACTS), *(f"{contract.name}.repair*" for contract in CONTRACTS)],
                "privileges": ["read", "write", "manage"],
            },
        ],
    },
    ANALYST: {
        "cluster": ["monitor"],
        "indices": [
            {
                "names": names_of(
                    [entry for entry in CONTRACTS if entry is not DEADLETTERS],
                ),
                "privileges": READ,
            },
        ],
    },
    ALERT_OPERATOR: {
        "cluster": ["monitor"],
        "indices": [
            {"names": names_of([ALERTS, PERFORMANCE, VERDICTS, CYCLES, MODEL_SETTINGS]), "privileges": READ},
            {"names": names_of([SILENCES]), "privileges": [*READ, "index", "auto_configure", "maintenance"]},
        ],
    },
    DEADLETTER_READER: {
        "cluster": ["monitor"],
        "indices": [{"names": names_of([DEADLETTERS]), "privileges": READ}],
    },
}
