"""How metrics documents are written: what one said before is kept before it says something else."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.gateway import Gateway, connect
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
    """Write the documents; return those that another agent was faster with."""
    settings = AgentSettings()
    with contextlib.closing(Gateway(connect(ElasticsearchSettings(url=(server.url,))), Backoff(tries=1))) as gateway:
        return PerformanceStore(gateway, Calendar(settings), settings.page_size).write(WRITES)


def answer(*statuses: int) -> Answer:
    """Return the answer to a bulk request."""
    error = {"type": "some_exception", "reason": "no"}
    told: list[dict[str, Any]] = [{"status": each, **({"error": error} if each >= 400 else {})} for each in statuses]
    return Answer({"items": [{"index": each} for each in told]})


def test_what_a_document_said_is_kept_first() -> None:
    """Restatements are written by a request before that of the documents, whose conflicts are told."""
    with serving(answer(201), answer(409, 201)) as server:
        assert write(server) == [WRITES[1]]

    first, second = ([next(iter(line.values())) for line in lines[::2]] for _, _, lines in server.asked)
    assert [each["_id"] for each in first] == ["before"]
    assert [(each["_id"], each["version"]) for each in second] == [("a", 2), ("b", 1)]


def test_a_document_is_left_as_it_is_where_that_cannot_be_kept() -> None:
    """Nothing is written anew after a refused restatement."""
    with serving(answer(403)) as server, pytest.raises(ElasticsearchError):
        write(server)

    assert len(server.asked) == 1


def test_a_restatement_that_is_there_already_is_no_conflict() -> None:
    """An agent that died between the two requests has left it."""
    with serving(answer(409), answer(201, 201)) as server:
        assert write(server) == []
