"""How metrics documents are written: the content of a final document is stored before the document changes."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.performance_store import PerformanceStore
from monitor_agent.es.retry import Backoff
from monitor_agent.pipeline.documents import PlannedWrite
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings, ElasticsearchSettings
from tests.unit.monitor_agent.es.answers import Answer, Server, serving

WRITES = [
    PlannedWrite("model-restatements-2026.03", "before", {"revision": 1}, None),
    PlannedWrite("model-performance-2026.03", "a", {"revision": 2}, 2),
    PlannedWrite("model-performance-2026.03", "b", {"revision": 1}, 1),
]


def write(server: Server) -> list[PlannedWrite]:
    """Write the documents; return those that another agent has written before."""
    settings = AgentSettings()
    with contextlib.closing(Gateway(connect(ElasticsearchSettings(url=(server.url,))), Backoff(tries=1))) as gateway:
        return PerformanceStore(gateway, Calendar(settings), settings.page_size).write(WRITES)


def answer(*statuses: int) -> Answer:
    """Return the answer to a bulk request."""
    error = {"type": "some_exception", "reason": "no"}
    items: list[dict[str, Any]] = [
        {"status": status, **({"error": error} if status >= 400 else {})} for status in statuses
    ]
    return Answer({"items": [{"index": item} for item in items]})


def test_a_restatement_is_written_before_its_document() -> None:
    """Restatements have a request of their own, before the documents, whose conflicts are returned."""
    with serving(answer(201), answer(409, 201)) as server:
        assert write(server) == [WRITES[1]]

    first, second = ([next(iter(line.values())) for line in lines[::2]] for _, _, lines in server.requests)
    assert [operation["_id"] for operation in first] == ["before"]
    assert [(operation["_id"], operation["version"]) for operation in second] == [("a", 2), ("b", 1)]


def test_a_document_is_not_changed_if_its_restatement_is_refused() -> None:
    """Nothing is written after a refused restatement."""
    with serving(answer(403)) as server, pytest.raises(ElasticsearchError):
        write(server)

    assert len(server.requests) == 1


def test_a_restatement_that_exists_already_is_no_conflict() -> None:
    """An agent that died between the two requests has written it."""
    with serving(answer(409), answer(201, 201)) as server:
        assert write(server) == []
