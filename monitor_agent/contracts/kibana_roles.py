"""The roles in a Kibana of the stack's own, such as that of the containers; a company's Kibana has roles of its own.

Source: Kibana's guide, "Kibana privileges": the base privileges `all` and `read` in all spaces, in the form that Kibana
gives them in a role of Elasticsearch; "Alerting set up": a rule acts with an API key of the user who made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor_agent.contracts.role_names import ANALYST, DEADLETTER_READER, MONITOR_SETUP

KIBANA_INSTALLER = "kibana_installer"
KIBANA_READER = "kibana_reader"


def _application(privilege: str) -> list[dict[str, Any]]:
    return [{"application": "kibana-.kibana", "privileges": [privilege], "resources": ["*"]}]


KIBANA_ROLES: Mapping[str, dict[str, Any]] = {
    KIBANA_INSTALLER: {"cluster": ["manage_own_api_key"], "applications": _application("all")},
    KIBANA_READER: {"applications": _application("read")},
}

KIBANA_USERS: Mapping[str, str] = {
    MONITOR_SETUP: KIBANA_INSTALLER,
    ANALYST: KIBANA_READER,
    DEADLETTER_READER: KIBANA_READER,
}
"""The role in Kibana by user."""
