"""The product's roles and users on a cluster that keeps them in its own index (the embedded one has them in files)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from monitor_agent.contracts.kibana_roles import KIBANA_ROLES, KIBANA_USERS
from monitor_agent.contracts.role_names import ANALYST, DEADLETTER_READER, MONITOR_AGENT, MONITOR_SETUP, PIPELINE_WRITER
from monitor_agent.contracts.roles import ROLES
from monitor_agent.errors import ElasticsearchError, StackError
from monitor_agent.settings import Settings
from monitor_agent.stack.rest_call import call, logins, require_elasticsearch

_PASSWORDS = {
    PIPELINE_WRITER: "PIPELINE_PASSWORD",
    MONITOR_AGENT: "STACK_AGENT_PASSWORD",
    MONITOR_SETUP: "STACK_SETUP_PASSWORD",
    ANALYST: "STACK_ANALYST_PASSWORD",
    DEADLETTER_READER: "STACK_DEADLETTER_READER_PASSWORD",
}
"""The setting of each user's password."""


def create_users(settings: Settings, report: Callable[[str], None]) -> None:
    """Create or update every role, each user that has a password in the settings, and the password of Kibana's user.

    With a password of Kibana's user, Kibana belongs to the stack: the users get their roles in it as well. A second run
    changes nothing.

    Raises
    ------
    StackError
        If the settings hold no password.
    ElasticsearchError
        If the cluster refuses a request, or is no Elasticsearch that the product supports.
    """
    configured = {
        PIPELINE_WRITER: settings.pipeline.password,
        MONITOR_AGENT: settings.stack.agent_password,
        MONITOR_SETUP: settings.stack.setup_password,
        ANALYST: settings.stack.analyst_password,
        DEADLETTER_READER: settings.stack.deadletter_reader_password,
    }
    passwords = {user: password for user, password in configured.items() if password}
    if not passwords:
        raise StackError(
            "the settings hold no password",
            "set PIPELINE_PASSWORD, STACK_AGENT_PASSWORD, STACK_SETUP_PASSWORD or STACK_ANALYST_PASSWORD",
        )
    login = logins(settings.elasticsearch)[0]
    require_elasticsearch(login)
    with_kibana = bool(settings.stack.kibana_password)
    roles = {**ROLES, **KIBANA_ROLES} if with_kibana else ROLES
    for role, body in roles.items():
        call(login, "PUT", f"/_security/role/{role}", body)
    report(f"roles: {', '.join(roles)}")
    for user, password in passwords.items():
        in_kibana = [KIBANA_USERS[user]] if with_kibana and user in KIBANA_USERS else []
        with _naming(_PASSWORDS[user]):
            call(login, "PUT", f"/_security/user/{user}", {"password": password, "roles": [user, *in_kibana]})
    report(f"users: {', '.join(passwords)}")
    if with_kibana:
        with _naming("STACK_KIBANA_PASSWORD"):
            call(login, "POST", "/_security/user/kibana_system/_password", {"password": settings.stack.kibana_password})
        report("the password of kibana_system is set")


@contextlib.contextmanager
def _naming(variable: str) -> Iterator[None]:
    """Let the remedy of a refused password name its setting."""
    try:
        yield
    except ElasticsearchError as error:
        named = f"{error.hint} ({variable})" if error.hint.endswith("password") else error.hint
        raise ElasticsearchError(error.message, named) from error
