"""Requests to Elasticsearch that either give a whole answer or raise: retried, never half taken."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, TypeVar

import orjson
import structlog
from elastic_transport import ConnectionError as NoConnection
from elastic_transport import ConnectionTimeout, SerializationError, TransportError
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.serializer import OrjsonSerializer

from monitor_agent.errors import ElasticsearchError, StoppedError
from monitor_agent.es.retry import NO_ANSWER, Backoff, ResponseAction, response_action
from monitor_agent.settings import ElasticsearchSettings

Body = Mapping[str, Any]
S = TypeVar("S")
T = TypeVar("T")

BULK_ITEMS, BULK_BYTES = 1000, 4_000_000
"""What one bulk request holds at most; a single larger item makes a request of its own."""
MGET_ITEMS = 1000
AT_ONCE = 2
"""Requests of one call that are under way together: Elasticsearch works on each with one thread a shard."""
KEEP_ALIVE = "2m"
# Copies of a shard refresh at different moments; always asking the same one means that time never runs backwards.
PREFERENCE = "monitor-agent"
_JSON = ("application/json", "application/vnd.elasticsearch+json")
_FATES = "items.*.status,items.*.error"
_LENIENT = {"ignore_unavailable": True, "allow_no_indices": True}


@dataclass(frozen=True)
class Operation:
    """One item of a bulk request: `kind` is `index`, `create`, `update` or `delete`; `options` such as `if_seq_no`."""

    kind: str
    index: str
    id: str
    body: Body | None
    options: Body | None = None

    def encoded(self) -> bytes:
        """Return its lines in the body of a bulk request."""
        told = {self.kind: {"_index": self.index, "_id": self.id, **(self.options or {})}}
        lines = [told] if self.body is None else [told, self.body]
        return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


@dataclass
class _Part:
    """One bulk request: its operations, each with its number, and its body."""

    operations: list[tuple[int, Operation]] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    size: int = 0


class PartialAnswer(Exception):  # noqa: N818 - never leaves this module
    """Raised inside a try when shards are missing from an answer."""


def connect(settings: ElasticsearchSettings) -> Elasticsearch:
    """Return a client that neither retries nor checks anything by itself."""
    trust: dict[str, Any] = {"ca_certs": settings.ca_certs} if settings.ca_certs else {}
    return Elasticsearch(
        list(settings.url),
        basic_auth=(settings.username, settings.password) if settings.username and not settings.api_key else None,
        api_key=settings.api_key or None,
        **trust,
        request_timeout=settings.request_timeout.total_seconds(),
        max_retries=0,
        retry_on_timeout=False,
        serializers=dict.fromkeys(_JSON, OrjsonSerializer()),
    )


class Gateway:
    """One Elasticsearch.

    Attributes
    ----------
    requests, failures : requests sent so far, tries included; those of them without a good answer.
    trouble : what went wrong last; empty since the last good answer.

    Parameters
    ----------
    stopping : asked before each request; where it says yes, StoppedError is raised instead.
    """

    def __init__(
        self,
        client: Elasticsearch,
        backoff: Backoff | None = None,
        sleep: Callable[[float], object] = time.sleep,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._client = client
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._stopping = stopping
        self._log = structlog.get_logger()
        self._lock = threading.Lock()
        self.requests = 0
        self.failures = 0
        self.trouble = ""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, what: str, request: Callable[[Elasticsearch], T]) -> T:
        """Return the answer to a request; ElasticsearchError when it is refused or was tried often enough.

        Parameters
        ----------
        what : what is being done, for people.
        request : sends it; it may raise `PartialAnswer`.
        """
        failures = 0
        while True:
            if self._stopping():
                raise StoppedError(f"stopped before: {what}")
            with self._lock:
                self.requests += 1
            try:
                answer = request(self._client)
            except PartialAnswer as error:
                reason, status = str(error), NO_ANSWER
            except ApiError as error:
                status, reason = error.meta.status, _reason(error)
                if response_action(status) is not ResponseAction.RETRY:
                    raise _refused(what, status, reason) from error
            except (NoConnection, ConnectionTimeout, SerializationError) as error:
                # An answer that cannot be read, such as a cut one, is none.
                reason, status = str(error.message), NO_ANSWER
            except TransportError as error:
                raise ElasticsearchError(f"{what}: {error}", "check ELASTICSEARCH_URL") from error
            else:
                self.trouble = ""
                return answer
            failures += 1
            self.pause(what, status, reason, failures)

    def pause(self, what: str, status: int, reason: str, failures: int) -> None:
        """Wait before the next try; ElasticsearchError when there is none."""
        with self._lock:
            self.trouble = f"{what}: {reason}"
            self.failures += 1
        wait = self._backoff.wait(failures, random.random())
        if wait is None:
            raise ElasticsearchError(
                f"{what}: {reason[:300]}" + (f" (status {status})" if status else ""),
                "check that Elasticsearch runs and that ELASTICSEARCH_URL is right",
            )
        self._log.warning("elasticsearch is in trouble, trying again", what=what, reason=reason[:300], wait=wait)
        self._sleep(wait)

    def search(self, index: str, body: Body) -> dict[str, Any]:
        """Return the answer of one search over the indices that exist."""
        return self.msearch([(index, body)])[0]

    def msearch(self, searches: Sequence[tuple[str, Body]], *, tolerate: str = "") -> list[dict[str, Any]]:
        """Return the answers of searches over the indices that exist, in order.

        Parameters
        ----------
        searches : (index names or patterns, body).
        tolerate : an error type that is returned as `{"error": ...}` instead of raised.
        """
        lines: list[Body] = []
        for index, body in searches:
            lines += [{"index": index, "preference": PREFERENCE, "allow_partial_search_results": False, **_LENIENT}]
            lines += [body]

        def send(client: Elasticsearch) -> list[dict[str, Any]]:
            answers = client.msearch(searches=lines).body["responses"]
            return [_whole(answer, tolerate) for answer in answers]

        return self.call("search", send)

    def scan(self, index: str, body: Body, page: int) -> Iterator[dict[str, Any]]:
        """Yield all hits of a search: by one request where a page holds them, else by pages of one point in time."""
        first = self.search(index, {**body, "size": page})
        hits = first["hits"]["hits"]
        if len(hits) < page:
            yield from hits
            return
        pit = self.call(
            "open a point in time",
            lambda client: client.open_point_in_time(
                index=index, keep_alive=KEEP_ALIVE, preference=PREFERENCE, ignore_unavailable=True
            ).body["id"],
        )
        try:
            yield from self._pages(pit, body, page)
        finally:
            # One that is gone already, such as by a first try whose answer was lost, is no error.
            self.call(
                "close a point in time",
                lambda client: client.options(ignore_status=404).close_point_in_time(id=pit).body,
            )

    def _pages(self, pit: str, body: Body, page: int) -> Iterator[dict[str, Any]]:
        after: list[Any] | None = None
        while True:
            asked = {**body, "size": page, "pit": {"id": pit, "keep_alive": KEEP_ALIVE}, "sort": ["_shard_doc"]}
            asked["track_total_hits"] = False
            if after is not None:
                asked["search_after"] = after
            answer = self.call(
                "search",
                lambda client, asked=asked: _whole(client.search(**_arguments(asked)).body, ""),  # type: ignore[misc]
            )
            hits = answer["hits"]["hits"]
            yield from hits
            if len(hits) < page:
                return
            after = hits[-1]["sort"]

    def mget(self, places: Sequence[tuple[str, str]], fields: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return the documents at (index, id) that exist, newest version, whether or not searches see them yet.

        Many become several requests, two at once; the documents are in the order of their places.
        """
        parts = (places[start : start + MGET_ITEMS] for start in range(0, len(places), MGET_ITEMS))
        answers = _at_once(lambda part: self._mget_once(part, fields), parts)
        return [doc for answer in answers for doc in answer]

    def _mget_once(self, places: Sequence[tuple[str, str]], fields: Sequence[str]) -> list[dict[str, Any]]:
        docs = [{"_index": index, "_id": identifier} for index, identifier in places]

        def send(client: Elasticsearch) -> list[dict[str, Any]]:
            answers = client.mget(docs=docs, source_includes=list(fields) or None).body["docs"]
            for answer in answers:
                if "error" in answer and "index_not_found" not in str(answer["error"]):
                    raise PartialAnswer(_cause(answer["error"]))
            return [answer for answer in answers if answer.get("found")]

        return self.call("get documents", send)

    def bulk(self, operations: Iterable[Operation]) -> list[ResponseAction]:
        """Return what became of each operation: done, conflict or missing; ElasticsearchError when one is refused.

        Many become several requests, made while earlier ones are under way, two at once: what may only be written after
        something else takes another call. An item that was rejected for a passing reason is sent again.
        """
        waiting: Iterable[tuple[int, Operation]] = enumerate(operations)
        found: dict[int, ResponseAction] = {}
        failures = 0
        while True:
            again: list[tuple[int, Operation]] = []
            reason, status = "", 0
            for (number, operation), item in self._answers(waiting):
                found[number] = response_action(item["status"])
                if found[number] is ResponseAction.RETRY:
                    again.append((number, operation))
                    reason, status = _cause(item.get("error", {})), item["status"]
                elif found[number] is ResponseAction.REFUSED:
                    raise _refused(f"write to {operation.index}", item["status"], _cause(item.get("error", {})))
            if not again:
                return list(found.values())
            waiting = again
            failures += 1
            self.pause("write", status, reason, failures)

    def _answers(self, operations: Iterable[tuple[int, Operation]]) -> Iterator[tuple[tuple[int, Operation], Body]]:
        """Yield operations with their answers, in order."""
        for answers in _at_once(self._bulk_once, _parts(operations)):
            yield from answers

    def _bulk_once(self, part: _Part) -> list[tuple[tuple[int, Operation], Body]]:
        lines: Any = part.body  # the client takes encoded lines, too
        answer = self.call("write", lambda client: client.bulk(operations=lines, filter_path=_FATES).body)
        items = [next(iter(item.values())) for item in answer["items"]]
        return list(zip(part.operations, items, strict=True))

    def refresh(self, indices: Iterable[str]) -> None:
        """Make what was written visible to searches."""
        names = sorted(set(indices))
        if names:
            self.call(
                "refresh",
                lambda client: client.indices.refresh(index=names, ignore_unavailable=True, allow_no_indices=True).body,
            )

    def existing(self, pattern: str) -> set[str]:
        """Return the names of the open indices that match."""
        answer = self.call(
            "list indices",
            lambda client: client.indices.resolve_index(name=pattern, ignore_unavailable=True).body,
        )
        return {entry["name"] for entry in answer["indices"]}

    def unmanaged(self, patterns: Sequence[str]) -> list[str]:
        """Return the names of the matching indices that no lifecycle policy manages."""
        answer = self.call(
            "read index settings",
            lambda client: (
                client.indices.get_settings(
                    index=list(patterns),
                    name="index.lifecycle.name",
                    expand_wildcards="open",
                    ignore_unavailable=True,
                    allow_no_indices=True,
                ).body
            ),
        )
        return sorted(self.existing(",".join(patterns)) - {name for name, found in answer.items() if found["settings"]})

    def delete(self, indices: Sequence[str]) -> None:
        """Delete indices; those that are gone already are no error."""
        self.call(
            "delete indices", lambda client: client.indices.delete(index=list(indices), ignore_unavailable=True).body
        )


def _at_once(send: Callable[[S], T], parts: Iterable[S]) -> Iterator[T]:
    """Yield the answers to requests, in order; further ones are made while earlier ones are under way."""
    waiting = iter(parts)
    first = list(islice(waiting, 2))
    if len(first) < 2:
        yield from map(send, first)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running: deque[Future[T]] = deque()
        for part in chain(first, waiting):
            running.append(pool.submit(send, part))
            if len(running) > AT_ONCE:
                yield running.popleft().result()
        for each in running:
            yield each.result()


def _parts(operations: Iterable[tuple[int, Operation]]) -> Iterator[_Part]:
    """Yield operations as bulk requests."""
    part = _Part()
    for number, operation in operations:
        lines = operation.encoded()
        if part.body and (len(part.body) == BULK_ITEMS or part.size + len(lines) > BULK_BYTES):
            yield part
            part = _Part()
        part.operations.append((number, operation))
        part.body.append(lines)
        part.size += len(lines)
    if part.body:
        yield part


def _arguments(body: Mapping[str, Any]) -> dict[str, Any]:
    return {("source" if name == "_source" else name): value for name, value in body.items()}


def _whole(answer: dict[str, Any], tolerate: str) -> dict[str, Any]:
    error = answer.get("error")
    if error:
        if tolerate and tolerate in str(error):
            return answer
        status = int(answer.get("status", 500))
        if response_action(status) is ResponseAction.RETRY:
            raise PartialAnswer(_cause(error))
        raise _refused("search", status, _cause(error))
    shards = answer["_shards"]
    if answer.get("timed_out") or shards["failed"] or shards["successful"] < shards["total"]:
        raise PartialAnswer(f"{shards['successful']} of {shards['total']} shards answered")
    return answer


def _reason(error: ApiError) -> str:
    body = error.body
    return _cause(body.get("error", body)) if isinstance(body, Mapping) else str(body or error.message)


def _cause(error: Any) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    deepest = (error.get("root_cause") or [error])[0]
    return f"{deepest.get('type', '')}: {deepest.get('reason', '')}"


def _refused(what: str, status: int, reason: str) -> ElasticsearchError:
    hints = {
        401: "check ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD",
        403: "the user lacks a privilege: give it the role monitor_agent",
        404: "run monitor-agent setup",
    }
    return ElasticsearchError(f"{what}: {reason[:300]} (status {status})", hints.get(status, "see Elasticsearch's log"))
