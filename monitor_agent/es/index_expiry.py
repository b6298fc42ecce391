"""The deletion of expired indices, if no lifecycle policy of the cluster deletes them."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline import retention
from monitor_agent.settings import AgentSettings

CHECK_PERIOD = timedelta(hours=1)


class IndexExpiry:
    """Deletes whole indices. It never closes one: a closed index makes every search over its alias fail."""

    def __init__(self, gateway: Gateway, settings: AgentSettings) -> None:
        self._gateway = gateway
        self._settings = settings
        self._due: datetime | None = None

    def apply(self, now: datetime) -> list[str]:
        """Delete expired indices and return their names; indices are checked once an hour."""
        if not self._settings.retention or (self._due is not None and now < self._due):
            return []
        self._due = now + CHECK_PERIOD
        names = self._gateway.unmanaged([contract.pattern for contract in retention.dated()])
        expired = retention.expired(names, now, self._settings)
        if expired:
            self._gateway.delete(expired)
        return expired
