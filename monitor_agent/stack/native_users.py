"""The product's roles and users on a cluster that keeps them in its own index (the embedded one has them in files)."""

from __future__ import annotations

from collections.abc import Callable

from monitor_agent.contracts.roles import ANALYST, MONITOR_AGENT, PIPELINE_WRITER, ROLES
from monitor_agent.errors import StackError
from monitor_agent.settings import Settings
from monitor_agent.stack.health import Login, call


def create_users(settings: Settings, report: Callable[[str], None]) -> None:
    """Create or update every role, the users that a password is given for, and the password of Kibana's own user.

    Safe to run again. Raises StackError when no password is given, ElasticsearchError when the cluster refuses.
    """
    passwords = {
        PIPELINE_WRITER: settings.pipeline.password,
        MONITOR_AGENT: settings.stack.agent_password,
        ANALYST: settings.stack.analyst_password,
    }
    given = {user: password for user, password in passwords.items() if password}
    if not given:
        raise StackError("no password is given", "set PIPELINE_PASSWORD, STACK_AGENT_PASSWORD, STACK_ANALYST_PASSWORD")
    found = settings.elasticsearch
    login = Login(found.url[0], found.username, found.password, found.api_key, found.ca_certs)
    for role, body in ROLES.items():
        call(login, "PUT", f"/_security/role/{role}", body)
    report(f"roles: {', '.join(ROLES)}")
    for user, password in given.items():
        call(login, "PUT", f"/_security/user/{user}", {"password": password, "roles": [user]})
    report(f"users: {', '.join(given)}")
    if settings.stack.kibana_password:
        call(login, "POST", "/_security/user/kibana_system/_password", {"password": settings.stack.kibana_password})
        report("the password of kibana_system is set")
