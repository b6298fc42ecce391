"""Whatever a line or an HTTP body says, the product's pipeline makes a document or a dead letter of it, and goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import hypothesis
import orjson
from hypothesis import strategies as st

from monitor_agent.contracts.deadletter import DEADLETTERS, REASONS
from monitor_agent.contracts.document_rules import refused_document, refused_id
from monitor_agent.contracts.release import RELEASES
from monitor_agent.logstash.events.json_text import read
from monitor_agent.logstash.inputs.file import FileInput
from monitor_agent.logstash.inputs.http import HttpInput
from monitor_agent.logstash.plugin import Event
from tests.dry_pipeline import MAPPINGS, documents_of, source_of
from tests.factories import make_prediction
from tests.hostile_lines import event_lines

DATASETS = {
    "model-predictions": ("model.prediction",),
    "model-feedback": ("model.feedback",),
    "model-errors": ("model.request_error",),
    "model-releases": ("model.release",),
}
quick = hypothesis.settings(max_examples=100)


def check(events: Sequence[Event], documents: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Check that each event has become a document for an index of the contracts, or a dead letter with a reason."""
    assert len(documents) == len(events)
    for index, identifier, document in documents:
        family, _, day = (index, "", "") if index == RELEASES.name else index.rpartition("-")
        assert family in (*MAPPINGS, DEADLETTERS.name)
        assert index == RELEASES.name or re.fullmatch(r"\d{4}\.\d\d\.\d\d", day)
        assert not refused_id(identifier)
        assert not {"@metadata", "tags", "line", "@version"} & set(document)
        if family == DEADLETTERS.name:
            assert document["error"]["type"] in REASONS
            assert isinstance(document["message"], str)
            assert not refused_document(DEADLETTERS.mapping(), document)
        else:
            assert document["event"]["dataset"] in DATASETS[family]


def test_a_deep_line_with_half_a_character_is_read() -> None:
    """As deep as any other line; the half becomes a question mark."""
    depth = 700
    value = read(b"[" * depth + b'"\\ud800"' + b"]" * depth)

    for _ in range(depth):
        (value,) = value
    assert value == "?"


@quick
@hypothesis.given(event_lines())
def test_a_line_is_a_document_or_a_dead_letter(line: bytes) -> None:
    """No event is lost, and a single event keeps its id."""
    hypothesis.assume(b"\n" not in line)
    events = source_of(FileInput).events_of(line, "/logs/a.ndjson")
    ids = [identifier_of(event) for event in events]
    documents = documents_of(events)

    check(events, documents)
    assert events or not line.strip() or is_empty_list(line)
    for identifier, (index, _, document) in zip(ids, documents, strict=True):
        if not index.startswith(DEADLETTERS.name):
            assert document["event"]["id"] in (identifier, str(identifier).strip("{}").lower())
    if len(events) == 1 and documents[0][0].startswith(DEADLETTERS.name) and is_plain(line):
        assert documents[0][2]["message"] == line.decode()


@quick
@hypothesis.given(event_lines())
def test_a_body_is_a_document_or_a_dead_letter(body: bytes) -> None:
    """A front end may send anything as well."""
    record = {
        "text": body.decode("utf-8", "replace"),
        "type": "application/json",
        "about": {"ip": "127.0.0.1", "method": "POST", "path": "/"},
    }
    events = source_of(HttpInput).events_of(orjson.dumps(record), "")

    check(events, documents_of(events))
    assert events or not record["text"].strip() or is_empty_list(body)


PIECES = st.sampled_from(
    ["{", "}", '":{', '},"', '"', "\\", 'a":{', '],"x":1}', '{"a":1}', ":", ",", '"b":{}', " ", "a", "]"]
)
VALUES = st.recursive(
    st.one_of(st.none(), st.integers(), st.lists(PIECES, max_size=4).map("".join)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["a", "b", 'c"', "d:", "é"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@quick
@hypothesis.given(
    st.dictionaries(st.sampled_from(["labels", "message", "features"]), VALUES),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")]),
    st.lists(PIECES, max_size=4).map("".join),
)
def test_text_after_the_object_is_not_lost(more: dict[str, Any], separators: tuple[str, str], tail: str) -> None:
    """Only brackets and blanks may follow the object; whatever else follows is in the text of a dead letter."""
    line = json.dumps({**make_prediction(), **more}, separators=separators) + tail
    ((index, _, document),) = documents_of(source_of(FileInput).events_of(line.encode(), "/logs/a.ndjson"))

    if tail.strip("]} "):
        assert document["error"]["type"] == "malformed"
        assert document["message"] == line
    elif not tail:
        assert index.startswith("model-predictions-")


def identifier_of(event: Event) -> Any:
    """Return the id that a decoded line gives its event."""
    content = event.get("line")
    inner = content.get("event") if isinstance(content, dict) else None
    return inner.get("id") if isinstance(inner, dict) else None


def is_empty_list(line: bytes) -> bool:
    """Return whether a line is a list without events."""
    try:
        return read(line) == []
    except ValueError:
        return False


def is_plain(line: bytes) -> bool:
    """Return whether a line is one text of UTF-8 that is not cut or escaped."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return False
    return (
        len(line) < 8_000 and not text.lstrip().startswith("[") and text == text.strip() and json.dumps(text).isascii()
    )
