"""The agent deletes expired indices, where no lifecycle policy of the cluster does."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline import retention
from monitor_agent.settings import AgentSettings

EVERY = timedelta(hours=1)


class Retention:
    """Whole indices are deleted, never closed: one closed index makes every search over its alias fail."""

    def __init__(self, gateway: Gateway, settings: AgentSettings) -> None:
        self._gateway = gateway
        self._settings = settings
        self._due: datetime | None = None

    def apply(self, now: datetime) -> list[str]:
        """Delete what has expired and return its names; looks once an hour."""
        if not self._settings.retention or (self._due is not None and now < self._due):
            return []
        self._due = now + EVERY
        names = self._gateway.unmanaged([contract.pattern for contract in retention.dated()])
        gone = retention.expired(names, now, self._settings)
        if gone:
            self._gateway.delete(gone)
        return gone
