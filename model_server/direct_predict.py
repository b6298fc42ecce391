"""Answers plain requests of `POST /predict` in the loop of the HTTP server, before Flask.

The scores of all requests that have come are computed together, without a thread for each of them. The Flask
application answers everything else: other paths, pages of browsers, compressed bodies, and all that ends with an error.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from model_server.access import AccessRules, KeyFinder
from model_server.app import FAILURE, call_of
from model_server.batch_tickets import Ticket
from model_server.batching import Batcher
from model_server.errors import EventLogError, QueueFullError, RequestError
from model_server.json_object import decode
from model_server.model_service import ModelService
from model_server.prepared_request import PreparedRequest
from model_server.request_counters import RequestCounters
from monitor_agent.errors import LogWriteError
from monitor_agent.http_serving.direct import DirectRequest
from monitor_agent.prediction_log.records import Call

PATH = "/predict"
LONGEST_IN_LOOP_NS = 2_000_000
"""A batch that takes longer is computed by another thread: the loop can read the next requests meanwhile."""
MOST_IN_ONE_WRITE = 8
"""More requests in one write save little, and the first of them would wait longer for its answer."""
IDLE_SECONDS = 1.0
JSON_TYPE = ("Content-Type", "application/json")


@dataclass
class _Pending:
    """A request that waits for its scores."""

    request: DirectRequest
    body: Any
    call: Call
    prepared: PreparedRequest
    model: str | None
    deadline: float
    ticket: Ticket | None = None


class DirectPredict:
    """Answers plain requests of `POST /predict`.

    Parameters
    ----------
    clock : returns the time, UTC.
    keys : the API keys; None = the server is open.
    """

    def __init__(
        self, service: ModelService, counters: RequestCounters, clock: Callable[[], datetime], keys: KeyFinder | None
    ) -> None:
        settings = service.dependencies.settings
        self._service = service
        self._counters = counters
        self._clock = clock
        self._rules = AccessRules(settings, keys)
        self._max_body_bytes = settings.max_body_bytes
        self._headers = (JSON_TYPE, *self._rules.vary)
        self._wake: Callable[[], None] = lambda: None
        self._turning = 0
        self._touched: set[Batcher] = set()
        self._ended: deque[_Pending] = deque()
        self._open: dict[DirectRequest, _Pending] = {}

    def attach(self, wake: Callable[[], None]) -> None:
        """Take a function that lets the loop call `turn` soon; any thread may call it."""
        self._wake = wake

    def begin(self, request: DirectRequest) -> bool:
        """Take a request, without waiting for anything; False = the application answers it."""
        headers = request.headers
        if (
            request.path != PATH
            or request.size > self._max_body_bytes
            or "CONTENT_ENCODING" in headers
            or not self._rules.let_pass(headers)
        ):
            return False
        waited = timedelta(microseconds=(time.perf_counter_ns() - request.received_at) // 1000)
        received = self._clock() - waited
        call = call_of(PATH, headers.get("X_REQUEST_ID", ""), headers.get("TRACEPARENT", ""), received)
        try:
            body = decode(request.body())
            name = self._service.name_in(body)
            prepared = self._service.prepare(name, body, call)
        except Exception:  # noqa: BLE001  the application meets the same error, and answers it
            return False
        batcher = prepared.loaded.batcher
        pending = _Pending(request, body, call, prepared, name, time.monotonic() + batcher.timeout_seconds)
        self._open[request] = pending
        try:
            pending.ticket = batcher.submit(prepared.inputs, lambda: self._note_end(pending))
        except QueueFullError:
            del self._open[request]
            prepared.release()
            return False
        self._touched.add(batcher)
        return True

    def turn(self) -> float:
        """Compute what waits, answer what is ready; return the seconds after which this must be called again."""
        self._turning = threading.get_ident()
        while self._touched:
            self._touched.pop().advance(LONGEST_IN_LOOP_NS)
        while self._ended:
            self._complete(self._next_ended())
        return self._end_overdue()

    def _note_end(self, pending: _Pending) -> None:
        """Note that a request has its scores, or an error; the thread that has computed them calls this."""
        self._ended.append(pending)
        if threading.get_ident() != self._turning:
            self._wake()

    def _next_ended(self) -> list[_Pending]:
        """Return some of the requests that have their scores, or an error."""
        ended: list[_Pending] = []
        with contextlib.suppress(IndexError):  # another thread may take the last one
            while len(ended) < MOST_IN_ONE_WRITE:
                ended.append(self._ended.popleft())
        return ended

    def _complete(self, ended: Sequence[_Pending]) -> None:
        """Write the events of some requests with one write, then answer them."""
        answers: list[tuple[_Pending, dict[str, Any]]] = []
        try:
            with self._service.dependencies.log.log.together():
                for pending in ended:
                    answer = self._answer_of(pending)
                    if answer is not None:
                        answers.append((pending, answer))
        except LogWriteError as error:
            for pending, _ in answers:
                self._fail(pending, EventLogError(str(error)))
            return
        for pending, answer in answers:
            request = pending.request
            self._counters.count(PATH, 200, (time.perf_counter_ns() - request.received_at) / 1e9)
            request.answer(orjson.dumps(answer), (*self._headers, ("X-Request-Id", pending.call.request_id)))

    def _answer_of(self, pending: _Pending) -> dict[str, Any] | None:
        """Return the answer to a request; None if it has failed, or somebody else has answered it."""
        if self._open.pop(pending.request, None) is None or pending.ticket is None:
            return None
        try:
            scores = pending.ticket.result()
        except RequestError as error:
            pending.prepared.release()
            self._fail(pending, error)
            return None
        try:
            return self._service.complete(pending.prepared, scores, pending.call, pending.request.received_at)
        except Exception as error:  # noqa: BLE001  the application answers it
            self._fail(pending, error)
            return None

    def _fail(self, pending: _Pending, error: Exception) -> None:
        call = replace(pending.call, labels=self._service.labels(pending.body))
        pending.request.decline({FAILURE: (error, call, pending.model)})

    def _end_overdue(self) -> float:
        """Fail the requests that have waited for too long; return the seconds until the next one has."""
        while self._open:
            pending = next(iter(self._open.values()))
            left = pending.deadline - time.monotonic()
            if left > 0:
                return min(left, IDLE_SECONDS)
            if self._open.pop(pending.request, None) is not None and pending.ticket is not None:
                batcher = pending.prepared.loaded.batcher
                batcher.drop(pending.ticket)
                pending.ticket = None  # else the two would refer to each other
                pending.prepared.release()
                self._fail(pending, batcher.late())
        return IDLE_SECONDS
