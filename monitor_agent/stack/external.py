"""The stack as somebody else runs it: an existing cluster at ELASTICSEARCH_URL, which we only ask."""

from __future__ import annotations

from collections.abc import Callable

from monitor_agent.errors import ElasticsearchError, StackError
from monitor_agent.settings import ElasticsearchSettings
from monitor_agent.stack.health import Login, ask_health
from monitor_agent.stack.provider import PartStatus


class ExternalProvider:
    """An existing cluster."""

    def __init__(self, settings: ElasticsearchSettings, report: Callable[[str], None]) -> None:
        self._settings = settings
        self._report = report

    def up(self, *, detach: bool) -> None:  # noqa: ARG002  # there is nothing to detach from
        """Return when the cluster answers; ElasticsearchError says why it does not."""
        for login in self._logins():
            health = ask_health(login)
            self._report(f"{login.url} answers: cluster {health['cluster_name']}, {health['status']}")

    def down(self) -> bool:
        """Return False: a cluster that we did not start is not ours to stop."""
        self._report(f"{', '.join(self._settings.url)} was not started from here: left as it is")
        return False

    def status(self) -> list[PartStatus]:
        """Return how the cluster answers at each of its addresses."""
        return [self._status_at(login) for login in self._logins()]

    def logs(self, component: str, *, follow: bool) -> None:  # noqa: ARG002  # as the protocol has them
        """Raise StackError: the logs are where the cluster is."""
        raise StackError("the logs of an existing cluster are not kept here", "look on its machines")

    def urls(self) -> dict[str, str]:
        """Return the cluster's addresses."""
        return {f"elasticsearch-{number}": url for number, url in enumerate(self._settings.url, start=1)}

    def _logins(self) -> list[Login]:
        found = self._settings
        return [Login(url, found.username, found.password, found.api_key, found.ca_certs) for url in found.url]

    def _status_at(self, login: Login) -> PartStatus:
        try:
            health = ask_health(login)
        except ElasticsearchError as error:
            return PartStatus("elasticsearch", False, str(error))
        return PartStatus("elasticsearch", True, f"{login.url} {health['status']}, {health['number_of_nodes']} nodes")
