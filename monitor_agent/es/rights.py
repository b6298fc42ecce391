"""Whether a user may read an index: a search over indices that exist leaves out the others without an error."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.role_names import DEADLETTER_READER
from monitor_agent.contracts.roles import names_of
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.cluster_facts import missing_privileges
from monitor_agent.es.gateway import Gateway


def require_reading(gateway: Gateway, contract: IndexContract) -> None:
    """Return if the user may read the indices of a contract, or the cluster has no security.

    Raises
    ------
    ElasticsearchError
        If the user may not, or there is no answer.
    """
    role = {"cluster": [], "indices": [{"names": names_of([contract]), "privileges": ["read"]}]}
    user, lacking = missing_privileges(gateway, role) or ("", [])
    if lacking:
        raise ElasticsearchError(
            f"the user {user} lacks the privilege read on {contract.alias}",
            f"give the user the role {DEADLETTER_READER}",
        )
