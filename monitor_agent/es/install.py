"""Index templates, aliases and lifecycle policies of a cluster; to install them again is safe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from elasticsearch import ApiError

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline import retention
from monitor_agent.pipeline.instants import DAY
from monitor_agent.settings import AgentSettings

_NO_SUCH_API = (400, 404, 405)
_NOT_ALLOWED = 403


def install(gateway: Gateway, settings: AgentSettings, report: Callable[[str], None] = lambda _line: None) -> None:
    """Put all index templates, and lifecycle policies if the cluster has them; existing indices get new fields.

    Parameters
    ----------
    report : called with each line that the user should read.

    Raises
    ------
    ElasticsearchError
        If the cluster refuses, for example because an index has a field with another type.
    """
    policies = _lifecycles(gateway, settings, report)
    for contract in CONTRACTS:
        managed = policies.get(contract.name, {})
        gateway.call(
            f"put the index template {contract.name}",
            lambda client, contract=contract, managed=managed: (
                client.indices.put_index_template(  # type: ignore[misc]
                    name=contract.name, body=contract.template(managed)
                ).body
            ),
        )
        _extend(gateway, contract)
    report(f"index templates: {', '.join(contract.name for contract in CONTRACTS)}")


def _extend(gateway: Gateway, contract: IndexContract) -> None:
    names = sorted(gateway.existing(contract.pattern))
    if names:
        gateway.call(
            f"extend the mapping of {contract.pattern}",
            lambda client: client.indices.put_mapping(index=names, body=contract.mapping()).body,
        )


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
        body = {"phases": {"delete": {"min_age": f"{age // timedelta(hours=1)}h", "actions": {"delete": {}}}}}
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
