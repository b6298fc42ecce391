"""Parked documents are the same after a restart, whatever a crash has left of the last one."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.logstash.delivery.bulk import BulkItem, DocumentOrigin, action_line, json_line, origin_of
from monitor_agent.logstash.delivery.parked_documents import ParkedCount, ParkedDocuments, warn_of_removed_outputs
from monitor_agent.logstash.events.event_fields import payload
from monitor_agent.logstash.events.timestamps import Timestamp

ROOM = 100_000


def item(identifier: str, **fields: object) -> BulkItem:
    event = {
        "@timestamp": Timestamp("2026-03-02T10:00:00.000Z"),
        "@metadata": {"path": "/log/a.ndjson", "original": f'{{"line":"{identifier}"}}'},
        **fields,
    }
    line = action_line("create", "index-1", identifier)
    return BulkItem("index-1", identifier, line, json_line(payload(event)), origin_of(event))


def reopened(folder: Path) -> ParkedDocuments:
    documents = ParkedDocuments(folder, ROOM)
    documents.open()
    return documents


@pytest.mark.parametrize("value", [1, 2**70, "\ud800", 'ä"\n', None])
def test_a_document_is_the_same_after_a_restart(tmp_path: Path, value: object) -> None:
    """Its bytes, and what a dead letter needs of its event."""
    before = item("1", field=value)
    assert reopened(tmp_path).add("index-1", "closed", [before])

    documents = reopened(tmp_path)
    (after,), _ = documents.read("index-1", 10)

    assert after == before
    assert after.origin == DocumentOrigin('{"line":"1"}', "/log/a.ndjson", None)
    assert [(count.index, count.reason, count.documents) for count in documents.counts()] == [("index-1", "closed", 1)]


@pytest.mark.parametrize("lost", [1, 40, 2000])
def test_a_cut_document_is_left_out(tmp_path: Path, lost: int) -> None:
    """It was not acknowledged, so it is read again from its file; what comes later is not spoiled."""
    documents = reopened(tmp_path)
    documents.add("index-1", "closed", [item("1", text="x" * 2500), item("2", text="x" * 2500)])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-lost])

    documents = reopened(tmp_path)
    documents.add("index-1", "closed", [item("3")])
    items, _ = documents.read("index-1", 10)

    assert [document.id for document in items] == ["1", "3"]


def test_delivered_documents_are_removed(tmp_path: Path) -> None:
    """The file goes with its last document."""
    documents = reopened(tmp_path)
    documents.add("index-1", "closed", [item("1"), item("2")])
    _, place = documents.read("index-1", 1)
    documents.advance("index-1", place, 1)
    (second,), end = documents.read("index-1", 10)
    assert [count.documents for count in documents.counts()] == [1]

    documents.advance("index-1", end, 1)

    assert second.id == "2"
    assert not documents
    assert list(tmp_path.iterdir()) == []


def test_the_size_has_a_limit(tmp_path: Path) -> None:
    """Documents that find no room are refused as a whole."""
    documents = ParkedDocuments(tmp_path, 1000)
    documents.open()

    assert documents.add("a", "closed", [item("1")])
    assert not documents.add("b", "closed", [item("2", text="x" * 1000)])
    assert documents.counts() == [ParkedCount("index-1", "closed", 1, documents.counts()[0].bytes)]


def test_documents_of_a_former_output_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output has another id now, so nothing would send them."""
    folder = tmp_path / "parked" / "old-id"
    reopened(folder).add("index-1", "closed", [item("1")])

    warn_of_removed_outputs(tmp_path, [])

    assert str(folder) in capsys.readouterr().out
