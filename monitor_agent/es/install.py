"""Index templates, aliases and lifecycle policies of a cluster; to install them again is safe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from itertools import groupby
from typing import Any

from elasticsearch import ApiError

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.index_contract import FIELD_LIMIT, TOTAL_FIELDS_LIMIT, IndexContract
from monitor_agent.contracts.model_settings import MODEL_SETTINGS
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.client_names import ClientNames, client_names
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import ModelSettingsStore
from monitor_agent.es.obstacles import (
    NAME_OF_ALIAS,
    IndexState,
    Obstacle,
    is_current,
    obstacle_of,
    obstacles_of,
    read_states,
    stronger_templates,
)
from monitor_agent.es.readiness import index_templates
from monitor_agent.pipeline import retention
from monitor_agent.pipeline.instants import DAY
from monitor_agent.settings import AgentSettings, ServerSettings, with_segments
from monitor_agent.settings.model_tables import plain

_NO_SUCH_API = (400, 404, 405)
_NOT_ALLOWED = 403
_TOO_MANY_FIELDS = "Limit of total fields"
DEFAULT_FIELD_LIMIT = 1000
"""The limit of an index that was made without the template."""

_NAME_IN_USE = "invalid_alias_name_exception"
_SAME_PRIORITY = re.compile(r"existing templates \[([^\]]+)\]")


def install(
    gateway: Gateway,
    settings: AgentSettings,
    report: Callable[[str], None] = lambda _line: None,
    server: ServerSettings | None = None,
    mapped: Iterable[str] = (),
) -> list[Obstacle]:
    """Put all index templates, and lifecycle policies if the cluster has them; extend the existing indices.

    An existing index gets new fields and its alias. What is in the way stops nothing else. If the cluster has no
    settings of models yet, those in `settings` become the table `default`.

    Parameters
    ----------
    report : called with each line that the user should read.
    server : the model server, whose labels and features get fields of their own; None = as its defaults.
    mapped : further labels and features, as fields such as `labels.shop`.

    Returns
    -------
    obstacles : what is in the way.

    Raises
    ------
    ElasticsearchError
        If Elasticsearch cannot be reached, or the user lacks a privilege.
    """
    policies = _lifecycles(gateway, settings, report)
    settings_store = ModelSettingsStore(gateway)
    tables = settings_store.read(with_state=False).history.tables
    names = client_names(with_segments(settings, tables), server or ServerSettings(), mapped)
    obstacles, installed = [], []
    for contract in CONTRACTS:
        obstacle = _put_template(gateway, contract.with_names(names), policies.get(contract.name, {}))
        if obstacle is None:
            installed.append(contract.name)
        else:
            obstacles.append(obstacle)
    report(f"index templates: {', '.join(installed)}")
    if MODEL_SETTINGS.name in installed and settings_store.begin(plain(settings), datetime.now(timezone.utc)):
        report("settings of models: models.default written, revision 1")
    obstacles += stronger_templates(index_templates(gateway), datetime.now(timezone.utc))
    return list(dict.fromkeys([*obstacles, *_extend_indices(gateway, names, report)]))


def _extend_indices(gateway: Gateway, names: ClientNames, report: Callable[[str], None]) -> list[Obstacle]:
    """Give the existing indices new fields and their aliases; return what is in the way."""
    states = read_states(gateway, names)
    usable = [state for state in states if obstacle_of(state) is None]
    outdated = [state for state in usable if not is_current(state.mapping, state.contract)]
    obstacles = obstacles_of(states)
    for _, group in groupby(sorted(outdated, key=_contract_name), key=_contract_name):
        of_contract = list(group)
        obstacles += _extend_mappings(gateway, of_contract[0].contract, [state.name for state in of_contract])
    hidden = [state for state in usable if state.lacks_alias]
    obstacles += _add_aliases(gateway, hidden, report)
    return obstacles


def _contract_name(state: IndexState) -> str:
    return state.contract.name


def _put_template(gateway: Gateway, contract: IndexContract, managed: dict[str, Any]) -> Obstacle | None:
    reason = _why_refused(
        gateway,
        f"put the index template {contract.name}",
        lambda client: client.indices.put_index_template(name=contract.name, body=contract.template(managed)).body,
    )
    if not reason:
        return None
    if _NAME_IN_USE in reason:
        return Obstacle(contract.alias, NAME_OF_ALIAS)
    rivals = _SAME_PRIORITY.search(reason)
    if rivals:
        return Obstacle(
            contract.name,
            f"the index template {rivals[1]} has the same priority and names indices of this template",
            f"delete the template {rivals[1]} or give it another priority, and run setup again",
        )
    return Obstacle(contract.name, f"Elasticsearch refuses this index template: {reason}", "see Elasticsearch's log")


def _extend_mappings(gateway: Gateway, contract: IndexContract, names: Sequence[str]) -> list[Obstacle]:
    """Put the contract's mapping on indices; if one of them refuses it, the others get it all the same."""
    reason = _why_refused(
        gateway,
        f"extend the mapping of {contract.pattern}",
        lambda client: client.indices.put_mapping(index=list(names), body=contract.mapping()).body,
    )
    if not reason:
        return []
    if len(names) > 1:
        return [obstacle for name in names for obstacle in _extend_mappings(gateway, contract, [name])]
    if _TOO_MANY_FIELDS in reason and _raise_field_limit(gateway, names[0], contract):
        return _extend_mappings(gateway, contract, names)
    return [Obstacle(names[0], reason)]


def _raise_field_limit(gateway: Gateway, name: str, contract: IndexContract) -> bool:
    """Make room for the fields of a contract in an index that clients have filled; return whether there was too little.

    Fields of the contract never need more room than this, so an index has its limit raised one time.
    """
    settings = gateway.call(
        f"read the settings of {name}",
        lambda client: client.indices.get_settings(index=name, name=FIELD_LIMIT, flat_settings=True).body,
    )
    limit = int(settings.get(name, {}).get("settings", {}).get(FIELD_LIMIT, DEFAULT_FIELD_LIMIT))
    needed = TOTAL_FIELDS_LIMIT + 2 * len(contract.fields)
    if limit >= needed:
        return False
    gateway.call(
        f"raise the limit of fields of {name}",
        lambda client: client.indices.put_settings(index=name, settings={FIELD_LIMIT: needed}).body,
    )
    return True


def _add_alias(gateway: Gateway, state: IndexState) -> str:
    """Add the alias to an index; return why that is refused, empty if it is not."""
    name, alias = state.name, state.contract.alias
    return _why_refused(
        gateway,
        f"add the alias {alias} to {name}",
        lambda client: client.indices.put_alias(index=name, name=alias).body,
    )


def _add_aliases(gateway: Gateway, states: Sequence[IndexState], report: Callable[[str], None]) -> list[Obstacle]:
    obstacles = []
    for contract, group in groupby(sorted(states, key=_contract_name), key=lambda state: state.contract):
        names = []
        for state in group:
            reason = _add_alias(gateway, state)
            if reason:
                obstacles.append(Obstacle(state.name, reason))
            else:
                names.append(state.name)
        if names:
            report(f"alias {contract.alias} added to {', '.join(names)}")
    return obstacles


def _why_refused(gateway: Gateway, purpose: str, request: Callable[[Any], Any]) -> str:
    """Send a request and return why Elasticsearch refuses it; empty if it does not.

    Raises
    ------
    ElasticsearchError
        If there is no answer, or the user lacks the privilege.
    """
    try:
        gateway.call(purpose, request)
    except ElasticsearchError as error:
        cause = error.__cause__
        if not isinstance(cause, ApiError):
            raise
        if cause.meta.status in (401, _NOT_ALLOWED):
            raise
        return error.message.removeprefix(f"{purpose}: ")
    return ""


def _lifecycles(gateway: Gateway, settings: AgentSettings, report: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Put a policy for each dated contract; return the settings of the templates, by contract, empty without ILM."""
    missing = _why_without_lifecycle(gateway)
    if missing:
        report(f"lifecycle policies skipped: {missing}; the agent deletes expired indices itself")
        return {}
    template_settings: dict[str, dict[str, Any]] = {}
    for contract in retention.dated():
        age, daily = retention.retention_of(contract, settings), contract.suffix.endswith("%d")
        # The age of a day's index is counted from its date; that of a month's from its creation, which may be its end.
        age += DAY if daily else retention.LONGEST_MONTH
        body = {"phases": {"delete": {"min_age": f"{-(-age // timedelta(hours=1))}h", "actions": {"delete": {}}}}}
        gateway.call(
            f"put the lifecycle policy {contract.name}",
            lambda client, contract=contract, body=body: (
                client.ilm.put_lifecycle(  # type: ignore[misc]
                    name=contract.name, policy=body
                ).body
            ),
        )
        template_settings[contract.name] = {"index.lifecycle.name": contract.name}
        if daily:
            template_settings[contract.name]["index.lifecycle.parse_origination_date"] = True
    report(f"lifecycle policies: {', '.join(template_settings)}")
    return template_settings


def _why_without_lifecycle(gateway: Gateway) -> str:
    """Return why no lifecycle policy can be put; empty if one can."""
    try:
        gateway.call("read lifecycle policies", lambda client: client.ilm.get_lifecycle().body)
    except ElasticsearchError as error:
        cause = error.__cause__
        status = cause.meta.status if isinstance(cause, ApiError) else 0
        if status in _NO_SUCH_API:
            return "this cluster has no index lifecycle management"
        if status == _NOT_ALLOWED:
            return "this user may not manage them (privilege manage_ilm)"
        raise
    return ""
