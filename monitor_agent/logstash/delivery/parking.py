"""Documents of an index that takes none wait on disk, and are sent as soon as it takes them again."""

from __future__ import annotations

import threading
from collections import defaultdict

import structlog

from monitor_agent.errors import MonitorError
from monitor_agent.logstash.delivery.bulk import BulkItem
from monitor_agent.logstash.delivery.delivery import Delivery, queue_of_document
from monitor_agent.logstash.delivery.parked_documents import ParkedCount, ParkedDocuments
from monitor_agent.logstash.delivery.troubles import Troubles

LONGEST_PAUSE = 5.0
SHORTEST_PAUSE = 0.02
"""Seconds between two attempts at an index that takes nothing."""
FULL = "parked documents"
"""The key of the trouble that no more documents can be parked."""
_MOST_DOCUMENTS = 500
_STOP_SECONDS = 1.5

_log = structlog.get_logger()


class Parking:
    """Parks documents on disk, and delivers them in a thread of its own.

    Parameters
    ----------
    after : seconds that an index must take nothing before its documents are parked.
    """

    def __init__(
        self,
        documents: ParkedDocuments,
        delivery: Delivery,
        troubles: Troubles,
        stopping: threading.Event,
        after: float,
    ) -> None:
        self._documents = documents
        self._delivery = delivery
        self._troubles = troubles
        self._stopping = stopping
        self.after = after
        self._thread = threading.Thread(target=self._run, daemon=True)

    def open(self) -> None:
        """Find the documents of an earlier run, and begin to deliver."""
        self._documents.open()
        self._thread.start()

    def close(self) -> None:
        """Wait a moment for a request that has begun; a document that is not removed yet is sent again later."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def counts(self) -> list[ParkedCount]:
        """Return the number of documents by index and reason."""
        return self._documents.counts()

    def put_with_others(self, items: list[BulkItem]) -> list[BulkItem]:
        """Park the documents of indices that already have parked documents; return the other documents."""
        if not self._documents:
            return items
        return self._put({id(item): item.index for item in items if self._documents.holds(item.index)}, items)

    def put_after_waiting(self, items: list[BulkItem]) -> list[BulkItem]:
        """Park documents whose index has taken nothing for long enough; return the other documents."""
        if not self._troubles:
            return items
        queues: dict[int, str] = {}
        for item in items:
            for queue in (item.index, queue_of_document(item)):
                seconds = self._troubles.seconds(queue)
                if seconds is not None and seconds >= self.after:
                    queues[id(item)] = queue
        return self._put(queues, items)

    def _put(self, queues: dict[int, str], items: list[BulkItem]) -> list[BulkItem]:
        """Put each document into its queue, by `id()`; return the documents that have none, or found no room."""
        if not queues:
            return items
        shares: dict[str, list[BulkItem]] = defaultdict(list)
        remaining: list[BulkItem] = []
        for item in items:
            (shares[queues[id(item)]] if id(item) in queues else remaining).append(item)
        for queue, share in shares.items():
            if self._documents.add(queue, self._troubles.label(queue), share):
                self._troubles.clear(FULL)
            else:
                remaining += share
                self._troubles.note(
                    FULL, "no more documents can be parked: see PIPELINE_PARKED_MAX and the disk; all lines wait"
                )
        return remaining

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            delivered = False
            try:
                delivered = self._attempt()
            except (MonitorError, OSError) as error:
                _log.warning("parked documents cannot be delivered; trying again", reason=str(error))
            first = max(min(LONGEST_PAUSE, self.after) / 4, SHORTEST_PAUSE)
            pause = first if delivered or not self._documents else min(LONGEST_PAUSE, max(first, pause * 2))

    def _attempt(self) -> bool:
        """Try the first document of each queue; deliver the queues whose first document is accepted."""
        heads = {queue: self._documents.read(queue, 1) for queue in self._documents.names()}
        if not heads:
            return False
        again = {id(item) for item in self._delivery.deliver([items[0] for items, _ in heads.values()])}
        delivered = False
        for queue, (items, place) in heads.items():
            if id(items[0]) in again:
                self._documents.relabel(queue, self._troubles.label(queue))
            elif not self._stopping.is_set():
                delivered = True
                self._advance(queue, place, 1)
                self._drain(queue)
        return delivered

    def _drain(self, queue: str) -> None:
        while self._documents.holds(queue) and not self._stopping.is_set():
            items, place = self._documents.read(queue, _MOST_DOCUMENTS)
            waiting = items
            while again := self._delivery.deliver(waiting):
                if len(again) == len(waiting):
                    return  # the next attempt sends all of `items` again; those that are stored are conflicts then
                waiting = again
            self._advance(queue, place, len(items))

    def _advance(self, queue: str, place: int, documents: int) -> None:
        self._documents.advance(queue, place, documents)
        self._troubles.clear(FULL)
        self._troubles.clear(queue)
