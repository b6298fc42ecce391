"""The delivery of documents in bulk: each is stored, becomes a dead letter, or is given back to be sent again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from monitor_agent.contracts.index_troubles import without_values
from monitor_agent.logstash.delivery.answers import foreign_trouble, own_error
from monitor_agent.logstash.delivery.bulk import (
    FILTER_PATH,
    MOST_BODY_BYTES,
    BulkItem,
    DeliveryOutcome,
    ItemResult,
    body_of,
    item_results,
    outcome_of,
    portions,
    reason_of,
)
from monitor_agent.logstash.delivery.dead_letters import dead_letter
from monitor_agent.logstash.delivery.letter_files import DeadLetterFiles
from monitor_agent.logstash.delivery.template_gate import TemplateGate
from monitor_agent.logstash.delivery.transport import HttpAnswer, Transport, UnreachableError
from monitor_agent.logstash.delivery.trouble_messages import general_trouble, index_trouble
from monitor_agent.logstash.delivery.troubles import GENERAL, Troubles

BULK_PATH = f"/_bulk?{FILTER_PATH}"
OK = 200
CONFLICT = 409
TOO_LARGE = 413
SMALL_BYTES = 32 * 1024
"""A proxy that refuses a document of this size must be corrected, so all lines wait; a larger document waits alone."""

_log = structlog.get_logger()


class DeliveryObserver(Protocol):
    """Gets to know what becomes of documents, in the threads that deliver them."""

    def present(self, item: BulkItem) -> None:
        """Note that the index has a document with this id already."""

    def refused(self, item: BulkItem, reason: str) -> None:
        """Note that Elasticsearch refuses the document for good."""


class Delivery:
    """Sends requests; several threads may deliver at once.

    Parameters
    ----------
    count : counts an event of a kind, such as a dead letter.

    Attributes
    ----------
    observer : gets to know what becomes of the documents; None = nobody needs to.
    """

    observer: DeliveryObserver | None = None

    def __init__(
        self, transport: Transport, letters: DeadLetterFiles, troubles: Troubles, count: Callable[[str, int], None]
    ) -> None:
        self._transport = transport
        self._letters = letters
        self._troubles = troubles
        self._count = count
        self._most_bytes = MOST_BODY_BYTES
        self.gate = TemplateGate(transport, troubles)

    def deliver(self, items: Sequence[BulkItem]) -> list[BulkItem]:
        """Send documents once; return those to be sent again. The reasons are in the troubles."""
        return [item for portion in portions(items, self._most_bytes) for item in self._deliver(portion)]

    def _deliver(self, portion: list[BulkItem]) -> list[BulkItem]:
        waiting = set() if self.gate.open else self.gate.waiting({item.index for item in portion})
        if not waiting:
            return self._send(portion)
        admitted = [item for item in portion if item.index not in waiting]
        again = [item for item in portion if item.index in waiting]
        return again + (self._send(admitted) if admitted else [])

    def _send(self, portion: list[BulkItem]) -> list[BulkItem]:
        """Send one request; return the items to be sent again."""
        body = body_of(portion)
        try:
            answer = self._transport.request("POST", BULK_PATH, body, "application/x-ndjson")
        except UnreachableError as error:
            self._troubles.note(GENERAL, f"elasticsearch cannot be reached; trying again ({error})")
            return portion
        if answer.status == OK:
            results = item_results(answer.body, len(portion))
            if results is not None:
                return self._apply_results(portion, results)
        if answer.status == TOO_LARGE:
            self._most_bytes = min(self._most_bytes, max(len(body) // 2, SMALL_BYTES))
        refusal = own_error(answer)
        if refusal is None:
            return self._handle_foreign(portion, answer)
        reason = reason_of(refusal)
        outcome = outcome_of(answer.status, reason)
        if outcome is DeliveryOutcome.REFUSED:
            return self._divide(portion, ItemResult(outcome, answer.status, reason))
        self._troubles.note(GENERAL, general_trouble(answer.status, reason))
        return portion

    def _handle_foreign(self, portion: list[BulkItem], answer: HttpAnswer) -> list[BulkItem]:
        """Keep all documents: an answer that is not Elasticsearch's refuses none of them for good."""
        if answer.status == TOO_LARGE and len(portion) > 1:
            return self._divide(portion)
        message = foreign_trouble(answer)
        if answer.status == TOO_LARGE and portion[0].size() > SMALL_BYTES:
            self._troubles.note(queue_of_document(portion[0]), message, "too large for a proxy")
        else:
            self._troubles.note(GENERAL, message)
        return portion

    def _divide(self, portion: list[BulkItem], refusal: ItemResult | None = None) -> list[BulkItem]:
        """Send a refused request again in halves, until the document that caused the refusal is alone."""
        if len(portion) == 1 and refusal is not None:
            return self._apply_results(portion, [refusal])
        middle = len(portion) // 2
        again = self._deliver(portion[:middle])
        if len(again) == middle:  # nothing gets through now
            return portion
        return again + self._deliver(portion[middle:])

    def _apply_results(self, portion: list[BulkItem], results: list[ItemResult]) -> list[BulkItem]:
        """Make dead letters of the refused items; return the items to be sent again."""
        again: list[BulkItem] = []
        refused: list[tuple[BulkItem, ItemResult]] = []
        present = 0
        general = ""
        letters: list[BulkItem] = []
        troubled = bool(self._troubles)
        for item, result in zip(portion, results, strict=True):
            if result.outcome is DeliveryOutcome.DELIVERED:
                if result.status == CONFLICT:
                    present += 1
                    if self.observer is not None:
                        self.observer.present(item)
                if item.origin is None:
                    letters.append(item)
            elif result.outcome is DeliveryOutcome.REFUSED:
                refused.append((item, result))
                if self.observer is not None:
                    self.observer.refused(item, result.reason)
            else:
                again.append(item)
                general = self._note(item.index, result) or general
                continue
            if troubled:
                self._troubles.clear(item.index)
                self._troubles.clear(queue_of_document(item))
        self._count("present already", present)
        if letters:
            self._letters.note_indexed(letters)
        if general:
            self._troubles.note(GENERAL, general)
        elif troubled:
            self._troubles.clear(GENERAL)
        return again + self._make_dead_letters(refused)

    def _note(self, index: str, result: ItemResult) -> str:
        """Note the trouble of an index; return the trouble if it concerns all documents."""
        trouble = index_trouble(index, result.status, result.reason)
        if trouble is None:
            return general_trouble(result.status, result.reason)
        self._troubles.note(index, trouble.message, trouble.label)
        return ""

    def _make_dead_letters(self, refused: list[tuple[BulkItem, ItemResult]]) -> list[BulkItem]:
        """Store refused documents on disk, then index them as dead letters; return the items to be sent again."""
        letters = [dead_letter(item, item.origin, result) for item, result in refused if item.origin is not None]
        if len(letters) < len(refused):
            reason = next(result.reason for item, result in refused if item.origin is None)
            _log.error("a dead letter cannot be indexed; it stays in the data folder", reason=without_values(reason))
        if not letters:
            return []
        self._letters.store(letters)
        self._count("dead letters", len(letters))
        reason = without_values(refused[0][1].reason)
        _log.warning("documents were refused; they are dead letters now", count=len(letters), reason=reason)
        return self._deliver([letter.item() for letter in letters])


def queue_of_document(item: BulkItem) -> str:
    """Return the name of a queue of this document alone; no index has such a name."""
    return f"{item.index}/{item.id}"
