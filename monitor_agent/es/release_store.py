"""Releases in Elasticsearch: those that a command records, and those that the agent detects in predictions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from monitor_agent.contracts.model_names import version_order
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.release import RELEASES, SOURCE_PREDICTIONS, SOURCE_SERVER
from monitor_agent.es.damaged_documents import model_of, reading
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.history import ServedVersions
from monitor_agent.es.operations import Operation
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.countable import COUNTABLE_PREDICTION
from monitor_agent.pipeline.failure_scopes import FailureScopes
from monitor_agent.pipeline.instants import within
from monitor_agent.pipeline.releases import Release
from monitor_agent.pipeline.windows import Calendar, Window

_STARTS = {"bool": {"must_not": [{"term": {"source": SOURCE_SERVER}}]}}
"""The filter for the starts of versions; what a server did is not one."""
RECORD_AGAIN = "delete it, then record the release again with `monitor-agent release`"


class ReleaseStore:
    """Release documents.

    Parameters
    ----------
    scopes : records the models whose documents cannot be read.
    """

    def __init__(
        self, gateway: Gateway, calendar: Calendar, page_size: int, scopes: FailureScopes | None = None
    ) -> None:
        self._gateway = gateway
        self._scopes = scopes or FailureScopes()
        self._calendar = calendar
        self._page_size = page_size
        self._recorded: set[tuple[str, str]] | None = None
        self._complete = True

    def all(self) -> list[Release]:
        """Return all releases that can be read, the oldest first."""
        releases: list[Release] = []
        self._complete = True
        for hit in self._gateway.scan(RELEASES.name, {"query": _STARTS}, self._page_size):
            count = len(releases)
            with self._scopes.model(model_of(hit)), reading(hit, RECORD_AGAIN):
                releases.append(Release.from_document(hit["_source"]))
            self._complete &= len(releases) > count
        return sorted(releases, key=lambda release: (release.at, release.model, version_order(release.version)))

    def record(self, release: Release) -> bool:
        """Write a release, and replace an earlier document about it; return False if that document is the same."""
        stored = self._gateway.mget([(RELEASES.name, release.id)])
        if stored and stored[0]["_source"] == release.document():
            return False
        self._gateway.bulk([Operation("index", RELEASES.name, release.id, release.document())])
        self._gateway.refresh([RELEASES.name])
        return True

    def notice(self, served: Iterable[ServedVersions]) -> list[Release]:
        """Record the versions that have no release document yet, as of their first prediction; return the releases."""
        if self._recorded is None or not self._complete:
            self._recorded = {(release.model, release.version) for release in self.all()}
        new = [
            Release(versions.model, version, self._first(versions.model, version, first), SOURCE_PREDICTIONS)
            for versions in served
            for version, (first, _) in sorted(versions.served.items(), key=lambda item: version_order(item[0]))
            if (versions.model, version) not in self._recorded
        ]
        if new:
            # Created, never overwritten: another agent, or a person, may have recorded it before.
            self._gateway.bulk(Operation("create", RELEASES.name, release.id, release.document()) for release in new)
            self._gateway.refresh([RELEASES.name])
            self._recorded |= {(release.model, release.version) for release in new}
        return new

    def _first(self, model: str, version: str, start: datetime) -> datetime:
        """Return the time of the first prediction in the window that begins at `start`; `start` if it was deleted."""
        window: Window = self._calendar.base_window(start)
        filters = [
            {"term": {"model.name": model}},
            {"term": {"model.version": version}},
            within(window),
            COUNTABLE_PREDICTION,
        ]
        body = {
            "size": 0,
            "track_total_hits": False,
            "query": {"bool": {"filter": filters}},
            "aggs": {"first": {"min": {"field": "@timestamp"}}},
        }
        response = self._gateway.search(PREDICTIONS.index_for(start), body)
        value = response.get("aggregations", {}).get("first", {}).get("value")
        return start if value is None else instants.parse(value)
