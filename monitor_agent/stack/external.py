"""An existing cluster at ELASTICSEARCH_URL as the stack: it is read here, never started or stopped."""

from __future__ import annotations

from collections.abc import Callable

from monitor_agent.errors import ElasticsearchError, StackError
from monitor_agent.settings import ElasticsearchSettings
from monitor_agent.stack.provider import ComponentStatus
from monitor_agent.stack.rest_call import Login, cluster_health, logins, require_elasticsearch


class ExternalProvider:
    """An existing cluster."""

    def __init__(self, settings: ElasticsearchSettings, report: Callable[[str], None]) -> None:
        self._settings = settings
        self._report = report

    def up(self, *, detach: bool, show_passwords: bool = False) -> None:  # noqa: ARG002  # there is nothing to show
        """Return when the cluster answers.

        Raises
        ------
        ElasticsearchError
            If an address does not answer, or is no Elasticsearch that the product supports.
        """
        for login in logins(self._settings):
            require_elasticsearch(login)
            health = cluster_health(login)
            self._report(f"{login.url} answers: cluster {health['cluster_name']}, {health['status']}")

    def down(self) -> bool:
        """Return False: a cluster that this program did not start stays as it is."""
        self._report(f"nothing is stopped: monitor-agent did not start {', '.join(self._settings.url)}")
        return False

    def status(self) -> list[ComponentStatus]:
        """Return the cluster's state at each of its addresses."""
        return [_status_at(login) for login in logins(self._settings)]

    def logs(self, component: str, *, follow: bool) -> None:  # noqa: ARG002  # as the protocol has them
        """Refuse: the logs are on the cluster's machines.

        Raises
        ------
        StackError
            Always.
        """
        raise StackError("the logs of an existing cluster are not kept here", "read them on its machines")


def _status_at(login: Login) -> ComponentStatus:
    try:
        health = cluster_health(login)
    except ElasticsearchError as error:
        return ComponentStatus("elasticsearch", False, str(error))
    return ComponentStatus("elasticsearch", True, f"{login.url} {health['status']}, {health['number_of_nodes']} nodes")
