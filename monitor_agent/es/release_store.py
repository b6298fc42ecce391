"""Releases in Elasticsearch: those that are told, and those that the agent sees for itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.release import RELEASES, SOURCE_PREDICTIONS
from monitor_agent.es.gateway import Gateway, Operation
from monitor_agent.es.history import ServedVersions
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import within
from monitor_agent.pipeline.releases import Release
from monitor_agent.pipeline.windows import Calendar, Window


class ReleaseStore:
    """Release documents."""

    def __init__(self, gateway: Gateway, calendar: Calendar, page_size: int) -> None:
        self._gateway = gateway
        self._calendar = calendar
        self._page_size = page_size
        self._known: set[tuple[str, str]] | None = None

    def all(self) -> list[Release]:
        """Return every release, oldest first."""
        hits = self._gateway.scan(RELEASES.name, {"query": {"match_all": {}}}, self._page_size)
        found = [
            Release(
                source["model_name"],
                source["model_version"],
                instants.parse(source["@timestamp"]),
                source["source"],
                source.get("note", ""),
            )
            for source in (hit["_source"] for hit in hits)
        ]
        return sorted(found, key=lambda each: (each.at, each.model, each.version))

    def record(self, release: Release) -> bool:
        """Write a release, over what was seen or told before; return False where that says the same already."""
        stored = self._gateway.mget([(RELEASES.name, release.id)])
        if stored and stored[0]["_source"] == release.document():
            return False
        self._gateway.bulk([Operation("index", RELEASES.name, release.id, release.document())])
        self._gateway.refresh([RELEASES.name])
        return True

    def notice(self, served: Iterable[ServedVersions]) -> list[Release]:
        """Record the versions that no release document names, as of their first prediction; return the new ones."""
        if self._known is None:
            self._known = {(each.model, each.version) for each in self.all()}
        new = [
            Release(each.model, version, self._first(each.model, version, first), SOURCE_PREDICTIONS)
            for each in served
            for version, (first, _) in each.served.items()
            if (each.model, version) not in self._known
        ]
        if new:
            # Created, never overwritten: another agent, or a person, may have been faster.
            self._gateway.bulk(Operation("create", RELEASES.name, each.id, each.document()) for each in new)
            self._gateway.refresh([RELEASES.name])
            self._known |= {(each.model, each.version) for each in new}
        return new

    def _first(self, model: str, version: str, start: datetime) -> datetime:
        """Return the time of the first prediction in the window that begins at `start`; `start` where it is gone."""
        window: Window = self._calendar.base_window(start)
        filters = [{"term": {"model.name": model}}, {"term": {"model.version": version}}, within(window)]
        body = {
            "size": 0,
            "track_total_hits": False,
            "query": {"bool": {"filter": filters}},
            "aggs": {"first": {"min": {"field": "@timestamp"}}},
        }
        answer = self._gateway.search(PREDICTIONS.index_for(start), body)
        value = answer.get("aggregations", {}).get("first", {}).get("value")
        return start if value is None else instants.parse(value)
