"""The requests that are remembered for their responses: in bounded memory and a bounded journal, for a bounded time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from monitor_agent.receiving.cloud_events import CloudEvent
from monitor_agent.receiving.request_journal import JoinKey, JournaledRequest, RequestJournal

BYTES_OF_AN_ENTRY = 2048
"""What an entry takes besides the text of its data, at most."""
MOST_WAITING_RESPONSES = 4
"""Responses that wait for their requests at a time: the other threads take requests in."""

MOST_SERVICES = 1000
SMALLEST_JOURNAL = 1 << 20
"""Bytes; a larger journal is written anew if it is more than twice as large as what is remembered."""


@dataclass
class WaitingFigures:
    """Counters of the requests.

    Attributes
    ----------
    unanswered : requests whose response has not come in time.
    dropped : requests that had to go before their time, because there was no room.
    overtaken : requests that came after their response.
    resumed : requests of the process before, which the journal held.
    """

    unanswered: int = 0
    dropped: int = 0
    overtaken: int = 0
    resumed: int = 0


@dataclass
class _Entry:
    request: CloudEvent
    size: int
    until: float
    answered: bool = False


class WaitingRequests:
    """Remembers requests until their time is over, also after their response: it may come twice. Safe for threads.

    Parameters
    ----------
    most_bytes : the largest size of all requests; beyond it, the oldest ones are dropped.
    wait : how long a request is remembered, s.
    overtaking : how long a response waits for its request, s, if its service has sent a request in the time `wait`.
    journal : where the requests survive the end of the process; None = they do not.
    """

    def __init__(
        self,
        most_bytes: int,
        wait: float,
        overtaking: float,
        journal: RequestJournal | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_bytes = most_bytes
        self._wait = wait
        self._overtaking = overtaking
        self._monotonic = monotonic
        self._entries: OrderedDict[JoinKey, _Entry] = OrderedDict()
        self._bytes = 0
        self._logs_requests: OrderedDict[str, float] = OrderedDict()
        self._changed = threading.Condition()
        self._waiting_responses = 0
        self._journal = journal
        self._outdated = False
        self.figures = WaitingFigures()
        if journal is not None:
            self._resume(journal)

    @property
    def count(self) -> int:
        """The number of requests that wait for their response."""
        with self._changed:
            self._expire()
            return sum(not entry.answered for entry in self._entries.values())

    @property
    def bytes(self) -> int:
        """The size of all requests that are remembered."""
        return self._bytes

    def put(self, key: JoinKey, request: CloudEvent, *, answered: bool = False) -> None:
        """Remember a request; one that comes again stays as it is. When this returns, it is in the journal.

        Parameters
        ----------
        answered : whether its response has been written already.

        Raises
        ------
        LogWriteError
            If it cannot be written into the journal; then it is not remembered.
        """
        with self._changed:
            now = self._expire()
            self._note_service(key[0], now + self._wait)
            if key in self._entries:
                return
            if self._journal is not None:
                self._journal.add(JournaledRequest(key, request, time.time() + self._wait, answered))
            self._add(key, request, now + self._wait, answered=answered)
            if self._journal is not None and self._journal.size > max(SMALLEST_JOURNAL, 2 * self._bytes):
                self._rewrite(self._journal)
            self._changed.notify_all()

    def tidy(self) -> None:
        """Remove from the journal the requests whose time is over."""
        with self._changed:
            self._expire()
            if self._journal is not None and self._outdated:
                self._rewrite(self._journal)

    def close(self) -> None:
        """Close the journal; the requests in it are for the next process."""
        self.tidy()
        with self._changed:
            journal, self._journal = self._journal, None
        if journal is not None:
            journal.close()

    def request_of(self, key: JoinKey) -> CloudEvent | None:
        """Return the request of a response; None if it is not there and does not come soon."""
        with self._changed:
            self._expire()
            if key not in self._entries and key[0] in self._logs_requests and self._overtaking > 0:
                self._await(key)
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._note_answer(key, entry)
            return entry.request

    def note_answered(self, key: JoinKey) -> None:
        """Note that the response of a request is written."""
        with self._changed:
            if key in self._entries:
                self._note_answer(key, self._entries[key])

    def _note_answer(self, key: JoinKey, entry: _Entry) -> None:
        if not entry.answered and self._journal is not None:
            self._journal.note_answered(key)
        entry.answered = True

    def _add(self, key: JoinKey, request: CloudEvent, until: float, *, answered: bool) -> None:
        """Remember a request, in the place of the oldest ones if there is no room."""
        entry = _Entry(request, len(request.content) + BYTES_OF_AN_ENTRY, until, answered)
        self._entries[key] = entry
        self._bytes += entry.size
        while self._bytes > self._most_bytes and self._entries:
            self._remove(next(iter(self._entries)), in_time=False)

    def _resume(self, journal: RequestJournal) -> None:
        """Remember the requests of the process before whose time is not over."""
        now, present = self._monotonic(), time.time()
        for entry in journal.replay():
            left = min(entry.until - present, self._wait)
            if left > 0:
                self._note_service(entry.key[0], now + left)
                self._add(entry.key, entry.request, now + left, answered=entry.answered)
        self.figures.resumed = len(self._entries)
        self._rewrite(journal)

    def _rewrite(self, journal: RequestJournal) -> None:
        ahead = time.time() - self._monotonic()
        journal.rewrite(
            JournaledRequest(key, entry.request, entry.until + ahead, entry.answered)
            for key, entry in self._entries.items()
        )
        self._outdated = False

    def _await(self, key: JoinKey) -> None:
        """Wait for a request, if few responses wait already."""
        if self._waiting_responses >= MOST_WAITING_RESPONSES:
            return
        self._waiting_responses += 1
        try:
            if self._changed.wait_for(lambda: key in self._entries, self._overtaking):
                self.figures.overtaken += 1
        finally:
            self._waiting_responses -= 1

    def _expire(self) -> float:
        """Forget the requests whose time is over; return the time."""
        now = self._monotonic()
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if entry.until > now:
                break
            self._remove(key, in_time=True)
        while self._logs_requests and next(iter(self._logs_requests.values())) <= now:
            self._logs_requests.popitem(last=False)
        return now

    def _note_service(self, service: str, until: float) -> None:
        """Remember until when the responses of a service wait for their requests."""
        self._logs_requests[service] = until
        self._logs_requests.move_to_end(service)
        if len(self._logs_requests) > MOST_SERVICES:
            self._logs_requests.popitem(last=False)

    def _remove(self, key: JoinKey, *, in_time: bool) -> None:
        entry = self._entries.pop(key)
        self._bytes -= entry.size
        self._outdated = True
        if not entry.answered:
            if in_time:
                self.figures.unanswered += 1
            else:
                self.figures.dropped += 1


class RecentIds:
    """The latest ids of a number that is bounded; safe for threads.

    >>> recent = RecentIds(2)
    >>> [recent.add(text) for text in ("a", "b", "c")], "a" in recent, "c" in recent
    ([None, None, None], False, True)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._ids: OrderedDict[object, None] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, identifier: object) -> bool:
        with self._lock:
            return identifier in self._ids

    def add(self, identifier: object) -> None:
        """Remember an id."""
        with self._lock:
            self._ids[identifier] = None
            self._ids.move_to_end(identifier)
            if len(self._ids) > self._most:
                self._ids.popitem(last=False)
