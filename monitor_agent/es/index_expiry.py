"""The deletion of expired indices, if no lifecycle policy deletes them, and of expired events of model servers."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor_agent.contracts.release import RELEASES, SOURCE_SERVER
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.imported_days import ImportedDays
from monitor_agent.es.operations import Operation
from monitor_agent.pipeline import instants, retention
from monitor_agent.pipeline.retention import LONGEST_MONTH
from monitor_agent.settings import AgentSettings

CHECK_PERIOD = timedelta(hours=1)


class IndexExpiry:
    """Deletes whole indices, and in the one index of releases the events of servers; the starts of versions stay.

    It never closes an index: a closed index makes every search over its alias fail.
    """

    def __init__(self, gateway: Gateway, settings: AgentSettings) -> None:
        self._gateway = gateway
        self._settings = settings
        self._due: datetime | None = None

    def apply(self, now: datetime) -> list[str]:
        """Delete what has expired, and return the names of the deleted indices; this is checked once an hour."""
        if not self._settings.retention or (self._due is not None and now < self._due):
            return []
        self._due = now + CHECK_PERIOD
        names = self._gateway.unmanaged([contract.pattern for contract in retention.dated()])
        imported = ImportedDays(self._gateway)
        days = imported.read()
        expired = retention.expired(names, now, self._settings, days)
        if expired:
            self._gateway.delete(expired)
        longest = max(self._settings.retention_events, self._settings.retention_metrics)
        imported.forget([day for day, time in days.items() if max(day, time) + longest + 2 * LONGEST_MONTH < now], now)
        self._delete_server_events(now - retention.retention_of(RELEASES, self._settings))
        return expired

    def _delete_server_events(self, before: datetime) -> None:
        """Delete what servers wrote into the index of releases before a time."""
        filters = [{"term": {"source": SOURCE_SERVER}}, instants.range_filter("@timestamp", lt=before)]
        body = {"query": {"bool": {"filter": filters}}, "_source": False}
        hits = self._gateway.scan(RELEASES.name, body, self._settings.page_size)
        self._gateway.bulk(Operation("delete", RELEASES.name, hit["_id"], None) for hit in hits)
