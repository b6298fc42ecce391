"""Takes the events of a request, joins them, and writes their lines; it knows nothing of HTTP."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from monitor_agent.errors import LineTooLongError, RecordError
from monitor_agent.prediction_log import EventLog
from monitor_agent.prediction_log.event_log import EventLine
from monitor_agent.receiving import kserve, ubi
from monitor_agent.receiving.cloud_events import CloudEvent, json_of, read_events
from monitor_agent.receiving.request_journal import JoinKey
from monitor_agent.receiving.source_events import SourceEvents
from monitor_agent.receiving.source_lines import SourceLines
from monitor_agent.receiving.waiting_requests import RecentIds, WaitingRequests
from monitor_agent.settings import SourceMapping, SourceMappings

RECENT_RESPONSES = 100_000
PREDICTIONS, FEEDBACK, REQUESTS, REPEATED, SKIPPED = "predictions", "feedback", "requests", "repeated", "skipped"
KSERVE, UBI = "kserve", "ubi"


class Receiver:
    """Takes events in; safe for threads.

    Parameters
    ----------
    most : the highest number of instances in one event, and of events in one request.

    Attributes
    ----------
    waiting : the requests that are remembered for their responses.
    without_request : responses whose request has not come, or does not fit.
    """

    def __init__(
        self, log: EventLog, lines: SourceLines, mappings: SourceMappings, waiting: WaitingRequests, most: int
    ) -> None:
        self.log = log
        self.waiting = waiting
        self.without_request = 0
        self._lines = lines
        self._mappings = mappings
        self._most = most
        self._recent = RecentIds(RECENT_RESPONSES)
        self._lock = threading.Lock()
        self._outcomes: Counter[tuple[str, str]] = Counter()

    @property
    def outcomes(self) -> dict[tuple[str, str], int]:
        """The number of events by their source and what has become of them."""
        with self._lock:
            return dict(self._outcomes)

    def cloud_events(self, media_type: str, headers: Mapping[str, str], body: bytes) -> dict[str, int]:
        """Take the CloudEvents of an inference service; return how many of what they were.

        The parameters are those of `read_events`. When this returns, the lines are in the file, and the requests in the
        journal.

        Raises
        ------
        RecordError
            If something is wrong; it names the path of the field, and nothing of the request is taken.
        LogWriteError
            If the lines cannot be written; nothing of the request is taken.
        """
        now = self.log.clock()
        events = read_events(media_type, headers, body, now, self._most)
        requests, responses, counted = self._sorted(events)
        rehearsal = [kserve.features_of(request, self._mapping(request), self._most) for request in requests]
        self._lines.of(SourceEvents(rehearsal), now)
        within = {kserve.join_key(request): request for request in requests}
        source = SourceEvents()
        written: list[JoinKey] = []
        for response in responses:
            key = kserve.join_key(response)
            if key in self._recent:
                counted[REPEATED] += 1
                continue
            joined = within.get(key) or self.waiting.request_of(key)
            predictions = kserve.predictions_of(response, joined, self._mapping(response), self._most)
            source.predictions.append(predictions)
            written.append(key)
        lines = self._lines.of(source, now)
        for request in requests:
            key = kserve.join_key(request)
            self.waiting.put(key, request, answered=key in self._recent)
        self._append(lines)
        for key in written:
            self._recent.add(key)
            self.waiting.note_answered(key)
        counted[PREDICTIONS] += sum(len(batch.instances) for batch in source.predictions)
        unmatched = sum(not batch.has_request for batch in source.predictions)
        return self._count(KSERVE, counted, unmatched)

    def ubi_queries(self, body: bytes) -> dict[str, int]:
        """Take queries of UBI; the rest is as in `cloud_events`."""
        now = self.log.clock()
        return self._take_ubi(ubi.read_queries(json_of(body, ""), self._mappings, now, self._most), now)

    def ubi_events(self, body: bytes) -> dict[str, int]:
        """Take events of UBI; the rest is as in `cloud_events`."""
        now = self.log.clock()
        return self._take_ubi(ubi.read_user_events(json_of(body, ""), self._mappings, now, self._most), now)

    def close(self) -> None:
        """Close the event log and the journal of the requests."""
        self.waiting.close()
        self.log.close()

    def _take_ubi(self, source: SourceEvents, now: datetime) -> dict[str, int]:
        self._append(self._lines.of(source, now))
        counted: Counter[str] = Counter()
        counted[PREDICTIONS] = sum(len(batch.instances) for batch in source.predictions)
        counted[FEEDBACK] = len(source.feedback)
        for reason, number in source.skipped.items():
            counted[f"{SKIPPED}: {reason}"] = number
        return self._count(UBI, counted)

    def _sorted(self, events: list[CloudEvent]) -> tuple[list[CloudEvent], list[CloudEvent], Counter[str]]:
        """Return the requests, the responses, and the numbers of requests and of events that do not count."""
        requests, responses, counted = [], [], Counter[str]()
        for event in events:
            role = kserve.role_of(event)
            if not kserve.counts(event, self._mapping(event)):
                counted[f"{SKIPPED}: other component"] += 1
            elif role == kserve.REQUEST:
                requests.append(event)
                counted[REQUESTS] += 1
            else:
                responses.append(event)
        return requests, responses, counted

    def _mapping(self, event: CloudEvent) -> SourceMapping:
        return kserve.mapping_for(event, self._mappings)

    def _append(self, lines: Sequence[EventLine]) -> None:
        if not lines:
            return
        try:
            self.log.append(lines)
        except LineTooLongError as error:
            raise RecordError("the body", error.message) from error

    def _count(self, source: str, counted: Mapping[str, int], unmatched: int = 0) -> dict[str, int]:
        present = {name: number for name, number in counted.items() if number}
        with self._lock:
            self.without_request += unmatched
            for name, number in present.items():
                self._outcomes[source, name] += number
        return present
