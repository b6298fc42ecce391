"""An agent on a real Elasticsearch, and what a user sees of its work."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from elasticsearch import Elasticsearch

from monitor_agent.agent.cycle import Agent
from monitor_agent.agent.report import CycleReport
from monitor_agent.clock import FixedClock
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.settings import AgentSettings
from tests.cluster import Cluster
from tests.factories import Document, deliver

MUCH_LATER = timedelta(days=2)
BASE = AgentSettings(retention=False)


class World:
    """Delivers events as the pipeline would, runs the agent as its own user, and reads documents as an analyst."""

    def __init__(self, agent: Elasticsearch, admin: Elasticsearch) -> None:
        self.agent, self.admin = agent, admin

    def deliver(self, *documents: Document) -> None:
        """Index events."""
        deliver(self.admin, documents)

    def cycle(self, now: datetime, **changed: Any) -> CycleReport:
        """Run one cycle at `now`, with changed settings."""
        return self.make_agent(now, **changed).cycle()

    def make_agent(self, now: datetime, **changed: Any) -> Agent:
        """Return an agent whose clock stands at `now`."""
        return Agent(Gateway(self.agent), dataclasses.replace(BASE, **changed), FixedClock(now))

    def documents(self, index: str = "model_performance") -> dict[str, dict[str, Any]]:
        """Return every document of an alias by `_id`, with its version as the index knows it."""
        # An index that was just created answers no search until its shard is there.
        self.admin.cluster.health(index="model-*", wait_for_status="yellow", timeout="60s")
        self.admin.indices.refresh(index="model-*")
        answer = self.admin.search(index=index, size=10_000, version=True, ignore_unavailable=True)
        return {hit["_id"]: {**hit["_source"], "_version": hit["_version"]} for hit in answer["hits"]["hits"]}

    def by_key(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """Return every metrics document by model, version, segment, size and start."""
        names = ("model_name", "model_version", "segment", "window_size")
        return {
            (
                *(document[name] for name in names),
                datetime.fromisoformat(document["window_start"].replace("Z", "+00:00")).isoformat(),
            ): document
            for document in self.documents().values()
        }

    def window(self, size: str, start: str = "", *, version: str = "all", segment: str = "all") -> dict[str, Any]:
        """Return the one document of a window."""
        documents = [
            document
            for document in self.documents().values()
            if (document["window_size"], document["model_version"], document["segment"]) == (size, version, segment)
            and document["window_start"].startswith(start)
        ]
        assert len(documents) == 1, [(document["window_start"], document["segment"]) for document in documents]
        return documents[0]

    def statuses(self) -> list[str]:
        """Return the statuses of all feedback, sorted."""
        return sorted(document["feedback"]["status"] for document in self.documents("model-feedback").values())


@contextmanager
def world_on(cluster: Cluster) -> Iterator[World]:
    """Yield the world of a cluster."""
    with connect(cluster.settings("monitor_agent")) as agent, cluster.client() as admin:
        yield World(agent, admin)


def moved(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Return the documents that are new or were written again."""
    return [document for identifier, document in after.items() if before.get(identifier) != document]
