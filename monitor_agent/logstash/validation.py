"""What a pipeline would make of event files, without an Elasticsearch: its own filters, then the mappings.

The configuration is the one that runs; only its inputs are not opened and its documents are not sent. Nothing here
decides about an event: a refusal is a dead letter of the configuration, or a document that its index does not take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Protocol

from monitor_agent.contracts.deadletter import DEADLETTERS, REASONS
from monitor_agent.contracts.document_rules import refused_document, refused_id
from monitor_agent.contracts.event_catalogue import EVENT_CONTRACTS
from monitor_agent.errors import ConfigurationError
from monitor_agent.logstash.compiler import Program
from monitor_agent.logstash.delivery.bulk import BulkItem
from monitor_agent.logstash.events.json_text import read
from monitor_agent.logstash.files.followed_file import LONGEST_LINE_BYTES, whole_characters
from monitor_agent.logstash.id_repeats import IdRepeats
from monitor_agent.logstash.inputs.file import FileInput
from monitor_agent.logstash.outputs.elasticsearch import ElasticsearchOutput
from monitor_agent.logstash.plugin import Event

CHUNK_BYTES = 256 * 1024
REFUSED = "refused"


class ByteStream(Protocol):
    """A source of bytes."""

    def read1(self, size: int, /) -> bytes:
        """Return bytes that are there, at most `size`; empty at the end."""


@dataclass(frozen=True)
class RefusedEvent:
    """An event that would become a dead letter.

    Attributes
    ----------
    line : its number in the file, from 1; the elements of a list have the same one.
    reason : as in `error.type` of a dead letter.
    explanation : the reason in more words.
    id : `event.id`, if the event has one that can be kept.
    """

    line: int
    reason: str
    explanation: str
    id: str


@dataclass
class ValidationTotals:
    """The counts of all files; a line that is a list has several events, a blank line none.

    Attributes
    ----------
    accepted : events that become a document.
    duplicates : events whose id an accepted event has already.
    refused : events that become dead letters, in `reasons` by their reason.
    dropped : events that the configuration drops.
    """

    lines: int = 0
    events: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    dropped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class Validation:
    """The check of one file after another; a context manager that deletes its temporary files.

    Raises
    ------
    ConfigurationError
        If the configuration reads no files.
    """

    def __init__(self, program: Program, config: str) -> None:
        inputs = [source for source in program.inputs if isinstance(source, FileInput)]
        if not inputs:
            raise ConfigurationError("there is no file input", path=config, hint="its codec reads the lines")
        self._input = inputs[0]
        self._program = program
        self._totals = ValidationTotals()
        self._ids = IdRepeats()

    def __enter__(self) -> Validation:
        """Return the check."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the temporary files."""
        self._ids.__exit__()

    def refusals(self, stream: ByteStream, path: str) -> Iterator[RefusedEvent]:
        """Yield the refused events of a file, in their order.

        Parameters
        ----------
        path : the name of the file for the events.

        Raises
        ------
        OSError
            If the file cannot be read to its end.
        """
        number = 1
        for batch in line_batches(stream, self._input.delimiter):
            yield from self._refusals(batch, path, number)
            number += len(batch)

    def totals(self) -> ValidationTotals:
        """Return the counts of everything read until now."""
        duplicates = self._ids.count()
        counted = self._totals
        return ValidationTotals(
            counted.lines,
            counted.events,
            counted.accepted - duplicates,
            duplicates,
            counted.refused,
            counted.dropped,
            counted.reasons,
        )

    def _refusals(self, lines: Sequence[bytes], path: str, first: int) -> Iterator[RefusedEvent]:
        events: list[Event] = []
        numbers: list[int] = []
        for number, line in enumerate(lines, first):
            decoded = self._input.events_of(line, path)
            events += decoded
            numbers += [number] * len(decoded)
        self._totals.lines += len(lines)
        self._totals.events += len(events)
        outcomes = self._outcomes(list(events))
        for event, number in zip(events, numbers, strict=True):
            outcome = outcomes.get(id(event))
            if outcome is None:
                self._totals.dropped += 1
            elif outcome.reason:
                self._totals.refused += 1
                self._totals.reasons[outcome.reason] += 1
                yield RefusedEvent(number, outcome.reason, outcome.explanation, outcome.id)
            else:
                self._totals.accepted += 1
                if outcome.id:
                    self._ids.add(outcome.index, outcome.id)

    def _outcomes(self, events: list[Event]) -> dict[int, ItemOutcome]:
        """Return what becomes of events, by the identity of the event; those that are dropped are not in it."""
        outcomes: dict[int, ItemOutcome] = {}
        for output, share in self._program.route(self._program.filter(events)):
            if isinstance(output, ElasticsearchOutput):
                for event, item in zip(share, output.prepare(share), strict=True):
                    outcomes[id(event)] = outcome_of(item, with_id=output.names_ids)
            else:
                for event in share:
                    outcomes.setdefault(id(event), ItemOutcome())
        return outcomes


@dataclass(frozen=True)
class ItemOutcome:
    """What would become of a document.

    Attributes
    ----------
    reason, explanation : why it would be a dead letter; empty if it would be stored.
    index, id : where it would be stored; `id` of a dead letter is that of its event.
    """

    reason: str = ""
    explanation: str = ""
    index: str = ""
    id: str = ""


def line_batches(stream: ByteStream, delimiter: bytes) -> Iterator[list[bytes]]:
    """Yield lines without their ends as they come; of a line that is too long, as much as the pipeline reads."""
    rest = b""
    while chunk := stream.read1(CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(delimiter)
        rest = rest[: LONGEST_LINE_BYTES + len(delimiter)]
        yield [_shortened(line) for line in lines]
    if rest:
        yield [_shortened(rest)]


def _shortened(line: bytes) -> bytes:
    return line if len(line) <= LONGEST_LINE_BYTES else whole_characters(line[:LONGEST_LINE_BYTES])


def outcome_of(item: BulkItem, *, with_id: bool = True) -> ItemOutcome:
    """Return what would become of a document.

    Parameters
    ----------
    with_id : whether it gets the id of its event.
    """
    document = read(item.source)
    if item.index.startswith(f"{DEADLETTERS.name}-"):
        reason = str(document.get("error", {}).get("type", REFUSED))
        explanation = str(document.get("error", {}).get("message") or REASONS.get(reason, ""))
        return ItemOutcome(reason, explanation, item.index, _event_id(document))
    reason = refused_id(item.id) if with_id else ""
    mapping = _mapping_of(item.index)
    if not reason and mapping is not None:
        reason = refused_document(mapping, document)
    if reason:
        return ItemOutcome(REFUSED, reason, item.index, _event_id(document))
    return ItemOutcome("", "", item.index, item.id)


@lru_cache(maxsize=256)
def _mapping_of(index: str) -> dict[str, Any] | None:
    """Return the mapping of an index of the contracts; None for an index that they do not describe."""
    for contract in EVENT_CONTRACTS:
        if fnmatchcase(index, contract.pattern):
            return contract.mapping()
    return None


def _event_id(document: dict[str, Any]) -> str:
    event = document.get("event")
    identifier = event.get("id") if isinstance(event, dict) else None
    return identifier if isinstance(identifier, str) else ""
