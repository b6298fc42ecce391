"""The rules for documents accept and refuse as a real Elasticsearch does."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.document_rules import refused_document, refused_id
from monitor_agent.contracts.field_values import refused_value
from monitor_agent.contracts.prediction import PREDICTIONS
from tests.cluster import Cluster
from tests.documents import DOCUMENTS, MAPPING

INDEX = "model-documents"


def reasons_of(cluster: Cluster, mapping: dict[str, Any], documents: list[dict[str, Any]]) -> list[str]:
    """Return why a new index of this mapping refuses each document; empty for those that it takes."""
    with cluster.client() as client:
        client.indices.create(index=INDEX, mappings=mapping, settings={"number_of_replicas": 0})
        lines = [line for document in documents for line in (b'{"index":{}}', json_of(document))]
        answer = client.bulk(index=INDEX, operations=lines)
    errors = [item["index"].get("error") for item in answer["items"]]
    return [f"{error['type']}: {error['reason']}" if error else "" for error in errors]


def json_of(document: dict[str, Any]) -> bytes:
    """Return a document in JSON, numbers beyond 64 bits as well."""
    try:
        return orjson.dumps(document)
    except TypeError:
        import json

        return json.dumps(document).encode()


def differences(documents: list[dict[str, Any]], decided: list[str], real: list[str]) -> list[tuple[str, str, str]]:
    """Return the documents about which the two disagree."""
    rows = zip(documents, decided, real, strict=True)
    return [
        (repr(document)[:80], decision, other) for document, decision, other in rows if bool(decision) != bool(other)
    ]


def test_documents_of_every_kind_are_taken_or_refused_alike(clean_indices: Cluster) -> None:
    """Types, ranges, texts for numbers, times, lists, objects, and names of fields."""
    documents = list(DOCUMENTS)
    decided = [refused_document(MAPPING, document) for document in documents]
    real = reasons_of(clean_indices, MAPPING, documents)

    assert differences(documents, decided, real) == []
    assert {len(documents) > 300, any(decided), not all(decided)} == {True}
    types = [(reason.partition(":")[0], other.partition(":")[0]) for reason, other in zip(decided, real, strict=True)]
    assert [pair for pair in types if pair[0] != pair[1]] == []


def test_predictions_are_taken_or_refused_alike(clean_indices: Cluster) -> None:
    """The contract's own mapping, with one field changed at a time."""
    documents = [dict(PREDICTIONS.sample)]
    for field in ("@timestamp", "labels", "prediction", "features", "model", "feedback", "message", "surprise"):
        documents += [{**PREDICTIONS.sample, field: value} for value in ("x", 1, None, [], {}, {"surprise": 1}, [{}])]
    mapping = PREDICTIONS.mapping()
    decided = [refused_document(mapping, document) for document in documents]

    assert differences(documents, decided, reasons_of(clean_indices, mapping, documents)) == []


@pytest.mark.parametrize("identifier", ["", "a", "a" * 512, "a" * 513, "ü" * 256, "ü" * 257])
def test_ids_are_taken_or_refused_alike(clean_indices: Cluster, identifier: str) -> None:
    """An id has 1 to 512 bytes."""
    lines = [orjson.dumps({"create": {"_index": INDEX, "_id": identifier}}), b"{}"]
    with clean_indices.client() as client:
        answer = client.options(ignore_status=400).bulk(operations=lines)
    taken_by_node = "items" in answer and "error" not in answer["items"][0]["create"]

    assert (refused_id(identifier) == "") is taken_by_node


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: str(contract.name))
def test_every_type_of_the_contracts_has_a_rule(contract: Any) -> None:
    """A new type of a field needs a rule."""
    for field in contract.fields.values():
        if field.type not in ("object", "alias"):
            refused_value(field.mapping(), "x")
    assert refused_document(contract.mapping(), contract.sample) == ""
