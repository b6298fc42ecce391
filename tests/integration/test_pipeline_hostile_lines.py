"""A real Elasticsearch takes what the pipeline makes of thousands of odd lines; none is lost, and nothing stops it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from elasticsearch.helpers import scan

from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.document_rules import refused_document
from monitor_agent.logstash.inputs.file import FileInput
from tests.cluster import Cluster
from tests.dry_pipeline import MAPPINGS, documents_of, source_of
from tests.hostile_lines import event_lines
from tests.pipelines import PipelineSandbox
from tests.waiting import wait_until

Key = tuple[str, str]


def generated_lines(count: int) -> list[bytes]:
    """Return odd lines, always the same ones."""
    lines: list[bytes] = []

    @hypothesis.settings(max_examples=count, derandomize=True, database=None, deadline=None)
    @hypothesis.given(event_lines())
    def generate(line: bytes) -> None:
        if b"\n" not in line and line.strip():
            lines.append(line)

    generate()
    return lines


def expected(lines: Sequence[bytes], path: str) -> tuple[set[Key], set[Key], int]:
    """Return the accepted documents, the dead letters, and how many events the mappings refuse."""
    accepted: set[Key] = set()
    letters: set[Key] = set()
    refused = 0
    for line in lines:
        for index, identifier, document in documents_of(source_of(FileInput).events_of(line, path)):
            family = index.rpartition("-")[0]
            if family == DEADLETTERS.name:
                letters.add((index, identifier))
            elif refused_document(MAPPINGS[family], document):
                refused += 1
            else:
                accepted.add((index, identifier))
    return accepted, letters, refused


@pytest.mark.soak
def test_odd_lines_are_documents_or_dead_letters(cluster: Cluster, tmp_path: Path) -> None:
    """What the mappings refuse in this process is refused by Elasticsearch, and is a dead letter as well."""
    sandbox = PipelineSandbox(tmp_path, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])
    lines = generated_lines(4000)
    path = sandbox.logs / "events.ndjson"
    accepted, letters, refused = expected(lines, str(path))
    sandbox.append(*lines)
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"), 300)

    stored = stored_documents(cluster)
    events = {key for key in stored if not key[0].startswith(DEADLETTERS.name)}
    dead = stored.keys() - events
    assert events == accepted
    assert letters <= dead
    assert 0 < len(dead) - len(letters) <= refused
    assert all(stored[key]["error"]["type"] for key in dead)


def stored_documents(cluster: Cluster) -> dict[Key, dict[str, Any]]:
    """Return every document by index and id."""
    with cluster.client() as client:
        client.indices.refresh(index="model-*")
        return {(hit["_index"], hit["_id"]): hit["_source"] for hit in scan(client, index="model-*,-model-settings")}
