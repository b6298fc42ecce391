"""Whether a user has the privileges that a command needs.

A search over indices that exist leaves out those that the user may not read, without an error: its numbers would be
wrong. So commands look for the privileges first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from monitor_agent.contracts.command_privileges import COMMAND_PRIVILEGES
from monitor_agent.contracts.command_users import SETUP, entry_of, with_setup_user
from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.role_names import ANALYST, DEADLETTER_READER
from monitor_agent.contracts.roles import ROLES, names_of
from monitor_agent.errors import ElasticsearchError, MissingPrivilegeError
from monitor_agent.es.cluster_facts import missing_privileges, without_dates
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.responses import is_not_allowed

PRIVILEGES_IN_MESSAGE = 2


def require_privileges(gateway: Gateway, command: str) -> None:
    """Return if the user has the privileges that a command needs, or the cluster has no security.

    Parameters
    ----------
    command : a command of `COMMAND_PRIVILEGES`, such as `setup --repair`.

    Raises
    ------
    MissingPrivilegeError
        If the user lacks one; the message names the user of the command.
    ElasticsearchError
        If there is no answer.
    """
    user, lacking = _lacking(gateway, COMMAND_PRIVILEGES[command])
    if lacking:
        role = entry_of(command).user
        lacking = without_dates(lacking)
        rest = len(lacking) - PRIVILEGES_IN_MESSAGE
        names = "; ".join(lacking[:PRIVILEGES_IN_MESSAGE]) + (f" and {rest} more" if rest > 0 else "")
        raise MissingPrivilegeError(
            f"the user {user} lacks the privilege{'s' if len(lacking) > 1 else ''} {names}",
            f"run `monitor-agent {command}` as the user {role} (docs/users.md)"
            if user != role
            else "update the roles: run `monitor-agent stack users` as a superuser",
        )


def unreadable(gateway: Gateway, contracts: Collection[IndexContract]) -> dict[str, MissingPrivilegeError]:
    """Return an error by the name of each contract whose indices the user may not read.

    Raises
    ------
    ElasticsearchError
        If there is no answer.
    """
    if not contracts:
        return {}
    user, lacking = _lacking(
        gateway, {"cluster": [], "indices": [{"names": names_of(list(contracts)), "privileges": ["read"]}]}
    )
    closed = [contract for contract in contracts if any(f"read on {name}" in lacking for name in names_of([contract]))]
    readers = {DEADLETTERS.name: DEADLETTER_READER}
    return {
        contract.name: MissingPrivilegeError(
            f"the user {user} lacks the privilege read on {contract.alias}",
            f"give the user the role {readers.get(contract.name, ANALYST)}",
        )
        for contract in closed
    }


def may_set_up(gateway: Gateway) -> bool:
    """Return whether the user has the privileges of `monitor-agent setup`, or the cluster has no security.

    Raises
    ------
    ElasticsearchError
        If there is no answer.
    """
    return not _lacking(gateway, COMMAND_PRIVILEGES["setup"])[1]


def setup_remedy(gateway: Gateway) -> str:
    """Return the text that tells the user to run `monitor-agent setup`, and as which user.

    Raises
    ------
    ElasticsearchError
        If there is no answer.
    """
    return SETUP if may_set_up(gateway) else with_setup_user(SETUP)


def roles_of(gateway: Gateway) -> list[str]:
    """Return the product's roles whose privileges the user has; none if the cluster has no security.

    Raises
    ------
    ElasticsearchError
        If the cluster does not answer, or refuses the user.
    """
    answers = {role: missing_privileges(gateway, body) for role, body in ROLES.items()}
    return [role for role, answer in answers.items() if answer is not None and not answer[1]]


def _lacking(gateway: Gateway, role: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the user and the privileges of a role that it lacks; none if the cluster cannot tell."""
    try:
        return missing_privileges(gateway, role) or ("", [])
    except ElasticsearchError as error:
        if is_not_allowed(error):  # by a proxy that lets few paths through: the command itself will be told
            return "", []
        raise
