"""What an earlier release wrote (`tests/data/release-13a8898`): documents, index templates and settings."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from elasticsearch import Elasticsearch, helpers

FOLDER = Path(__file__).parent / "data" / "release-13a8898"


@dataclass(frozen=True)
class StoredDocument:
    """A document, and the version that its index gives it."""

    index: str
    id: str
    version: int
    source: dict[str, Any]


@cache
def documents() -> tuple[StoredDocument, ...]:
    """Return all documents."""
    lines = gzip.decompress((FOLDER / "documents.ndjson.gz").read_bytes()).splitlines()
    return tuple(StoredDocument(**orjson.loads(line)) for line in lines)


def settings() -> dict[str, str]:
    """Return all settings as environment variables."""
    lines = (FOLDER / "settings.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def load(client: Elasticsearch) -> None:
    """Put the release's index templates and documents on a cluster that has no index of the product."""
    templates = orjson.loads(gzip.decompress((FOLDER / "templates.json.gz").read_bytes()))
    for name, template in templates.items():
        client.indices.put_index_template(name=name, body=template)
    helpers.bulk(
        client,
        (
            {
                "_index": document.index,
                "_id": document.id,
                "_source": document.source,
                # The agent gives metrics documents their version itself.
                **(
                    {"version": document.version, "version_type": "external"}
                    if document.index.startswith("model-performance")
                    else {}
                ),
            }
            for document in documents()
        ),
    )
    client.indices.refresh(index="model-*,monitor-agent-*")
