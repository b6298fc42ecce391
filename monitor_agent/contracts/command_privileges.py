"""The privileges without which a command does not begin.

A role has more of them: those for work that only some settings ask for, such as the deletion of expired indices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.drift import DRIFT
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.model_settings import MODEL_SETTINGS
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.release import RELEASES
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.contracts.restatement import RESTATEMENTS
from monitor_agent.contracts.roles import names_of
from monitor_agent.contracts.silence import SILENCES

Privileges = Mapping[str, Any]
"""Privileges in the format of Elasticsearch's role API."""

_COUNTED = [contract for contract in CONTRACTS if contract not in (DEADLETTERS, MODEL_SETTINGS, SILENCES)]
_SETUP = ["manage_index_templates"]


def _privileges(*indices: tuple[Iterable[str], Iterable[str]], cluster: Iterable[str] = ()) -> Privileges:
    """Return privileges: pairs of names of indices and privileges on them, and privileges on the cluster."""
    entries = [{"names": list(names), "privileges": list(privileges)} for names, privileges in indices]
    return {"cluster": list(cluster), "indices": entries}


def _reading(*contracts: IndexContract) -> Privileges:
    """Return what a command needs that reads by the aliases of contracts."""
    return _privileges(([contract.alias for contract in contracts], ["read"]))


_SETTINGS = (names_of([MODEL_SETTINGS, SILENCES]), ["read"])
_CYCLE = _privileges((names_of(_COUNTED), ["read", "index"]), _SETTINGS)
_LETTERS = _privileges((names_of([DEADLETTERS]), ["read"]))
_PANELS = _privileges((names_of([PERFORMANCE, PREDICTIONS, FEEDBACK]), ["read"]))
COMMAND_PRIVILEGES: Mapping[str, Privileges] = {
    "setup": _privileges(
        (names_of(CONTRACTS), ["manage"]), (names_of([MODEL_SETTINGS]), ["read", "index"]), cluster=_SETUP
    ),
    "setup --repair": _privileges((names_of(CONTRACTS), ["read", "write", "manage"]), cluster=_SETUP),
    "run": _CYCLE,
    "once": _CYCLE,
    "backfill": _CYCLE,
    "import": _CYCLE,
    "reference": _privileges(
        (names_of([PREDICTIONS, MODEL_SETTINGS]), ["read"]), (names_of([DRIFT]), ["read", "index"])
    ),
    "release": _privileges(
        (names_of([RELEASES]), ["read", "index"]), ([PERFORMANCE.alias, MODEL_SETTINGS.alias], ["read"])
    ),
    "lost-lines": _reading(AGENT_STATE, MODEL_SETTINGS),
    "deadletters list": _LETTERS,
    "deadletters show": _LETTERS,
    "deadletters replay": _privileges((names_of([DEADLETTERS]), ["read", "delete"])),
    "models apply": _privileges(
        (names_of([MODEL_SETTINGS, AGENT_STATE]), ["read", "index"]), ([PERFORMANCE.alias], ["read"])
    ),
    "models diff": _reading(MODEL_SETTINGS, AGENT_STATE, PERFORMANCE),
    **{f"models {action}": _reading(MODEL_SETTINGS, AGENT_STATE) for action in ("list", "show", "history")},
    "totals": _reading(PERFORMANCE, MODEL_SETTINGS),
    "compare": _reading(PERFORMANCE, MODEL_SETTINGS),
    "explain-window": _reading(PERFORMANCE, MODEL_SETTINGS, RESTATEMENTS, PREDICTIONS, FEEDBACK, ERRORS),
    "explain-drop": _reading(PERFORMANCE, MODEL_SETTINGS, PREDICTIONS, RELEASES, CYCLES),
    "alerts": _reading(ALERTS, SILENCES),
    "alerts ack": _privileges(([ALERTS.alias], ["read"]), (names_of([SILENCES]), ["read", "index"])),
    **{
        f"alerts {action}": _privileges((names_of([SILENCES]), ["read", "index"]))
        for action in ("silence", "unsilence")
    },
    "report": _PANELS,
    "kibana check": _PANELS,
}
"""Privileges by the command's words. Without a row, Elasticsearch itself refuses, or panels tell what is missing."""
